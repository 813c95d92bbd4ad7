"""A disk of a user's own: its firmware boots it, and cloud-init makes it a guest of the testbed.

No cloud image is at hand where there is no internet; `testbed image build cloud` stands in for one:
a boot loader, cloud-init and qemu-guest-agent, and nothing of ours. Opt-in, because it takes
minutes: TESTBED_DISKS=1.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from harness import config
from harness.events import EventLog
from harness.images.disk.debian import build_debian
from tests.lab.support import User, nothing_left

pytestmark = [pytest.mark.disks, pytest.mark.timeout(1200)]
SENT = "through shared memory"


def topology(cloud: Path) -> dict[str, object]:
    return {
        "name": "cloud",
        "hosts": {"h1": {}, "h2": {}},
        "guests": {
            "g1": {"host": "h1"},
            "c1": {"host": "h1", "image": str(cloud), "memory": "256 MiB", "vcpus": 2},
        },
        "grants": [{"between": ["c1", "g1"]}],
    }


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """Somebody with a testbed of a small guest and one from a cloud image."""
    home = tmp_path_factory.mktemp("cloud")
    cloud = build_debian(config.cache_dir(), config.REPOSITORY, EventLog(), bare=True)
    assert cloud.disk is not None
    (home / "cloud.yaml").write_text(yaml.safe_dump(topology(cloud.disk), sort_keys=False))
    user = User(home, extra={"TESTBED_CACHE": str(config.cache_dir())})
    with nothing_left():
        user.ok("up", "cloud.yaml", within=900)
        try:
            yield user
        finally:
            user.ok("down", "cloud")


def sh(user: User, guest: str, script: str) -> str:
    return user.ok("exec", "--timeout", "2min", "-t", "cloud", guest, "--", "sh", "-c", script)


def test_its_firmware_booted_the_loader_that_is_on_the_disk(user: User) -> None:
    assert "BOOT_IMAGE=/kernel" in sh(user, "c1", "cat /proc/cmdline")
    assert "domsock" not in sh(user, "c1", "cat /proc/cmdline")


def test_cloud_init_was_told_who_it_is_and_installed_the_agent(user: User) -> None:
    assert sh(user, "c1", "cloud-init status").strip() == "status: done"
    assert "NoCloud" in sh(user, "c1", "cat /run/cloud-init/result.json")
    assert sh(user, "c1", "hostname").strip() == "c1"
    assert "domsock.id=4" in sh(user, "c1", "cat /etc/domsock/agent.conf")
    told = sh(user, "c1", "dpkg-query --show --showformat '${db:Status-Status}' domsock-agent")
    assert told == "installed"
    assert sh(user, "c1", "systemctl --failed --no-legend").strip() == ""


def test_its_firmware_tells_it_too(user: User) -> None:
    assert sh(user, "c1", "/usr/lib/domsock/domain ip").strip() == "10.99.0.4/16"


def test_it_shares_memory_with_a_small_guest_and_moves(user: User) -> None:
    server = (
        "socat UNIX-LISTEN:/run/domsock/self/chat,fork,unlink-early,mode=666 SYSTEM:'tr a-z A-Z'"
    )
    sh(user, "c1", f"setsid {server} > /dev/null 2>&1 < /dev/null &")
    seen = "for i in $(seq 300); do [ -S /run/domsock/c1/chat ] && break; sleep 0.1; done"
    ask = f"{seen}; echo {SENT} | /usr/bin/nc -NU /run/domsock/c1/chat"
    for path, host in (("shm", "h2"), ("tcp", "h1")):
        [grant] = user.json("grants", "-t", "cloud")
        assert grant["path"] == path
        assert sh(user, "g1", ask).strip() == SENT.upper()
        user.ok("migrate", "-t", "cloud", "c1", "--to", host)
    [grant] = user.json("grants", "-t", "cloud")
    assert grant["path"] == "shm"
