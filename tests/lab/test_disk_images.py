"""Guests with a disk: our own image `debian`, and a cloud image that cloud-init makes a guest.

Opt-in, because it takes minutes: TESTBED_DISKS=1.
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
UP_SECONDS = 900.0
SENT = "through shared memory"


def topology(cloud: Path) -> dict[str, object]:
    return {
        "name": "disks",
        "hosts": {"h1": {}, "h2": {}},
        "guests": {
            "d1": {"host": "h1", "image": "debian", "memory": "256 MiB"},
            "g1": {"host": "h1"},
            "c1": {"host": "h1", "image": str(cloud), "memory": "256 MiB"},
        },
        "grants": [{"between": ["d1", "g1"]}, {"between": ["c1", "g1"]}],
    }


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """Somebody with a testbed of three guests, one of each kind."""
    home = tmp_path_factory.mktemp("disks")
    cloud = build_debian(config.cache_dir(), config.REPOSITORY, EventLog(), bare=True)
    assert cloud.disk is not None
    (home / "disks.yaml").write_text(yaml.safe_dump(topology(cloud.disk)))
    user = User(home, extra={"TESTBED_CACHE": str(config.cache_dir())})
    with nothing_left():
        user.ok("up", "disks.yaml", within=UP_SECONDS)
        try:
            yield user
        finally:
            user.ok("down", "disks")


def sh(user: User, guest: str, script: str) -> str:
    return user.ok("exec", "--testbed", "disks", guest, "--", "sh", "-c", script)


def converse(user: User, guest: str) -> None:
    """A stock socat in that guest answers a stock netcat in g1."""
    server = (
        "socat UNIX-LISTEN:/run/domsock/self/chat,fork,unlink-early,mode=666 SYSTEM:'tr a-z A-Z'"
    )
    sh(user, guest, f"setsid {server} > /dev/null 2>&1 < /dev/null &")
    seen = f"for i in $(seq 300); do [ -S /run/domsock/{guest}/chat ] && break; sleep 0.1; done"
    said = sh(user, "g1", f"{seen}; echo {SENT} | nc -NU /run/domsock/{guest}/chat")
    assert said.strip() == SENT.upper()


def test_systemd_has_started_everything(user: User) -> None:
    assert sh(user, "d1", "systemctl --failed --no-legend").strip() == ""
    active = sh(user, "d1", "systemctl is-active ssh domsockd qemu-guest-agent").split()
    assert active == ["active"] * 3
    assert sh(user, "d1", "hostname; python3 -c 'print(6 * 7)'").split() == ["d1", "42"]


def test_the_agent_came_as_a_package(user: User) -> None:
    told = sh(user, "d1", "dpkg-query --show --showformat '${db:Status-Status}' domsock-agent")
    assert told == "installed"


@pytest.mark.parametrize("guest", ["d1", "c1"])
def test_it_shares_memory_with_a_micro_guest(user: User, guest: str) -> None:
    grants = user.json("grants", "--testbed", "disks")
    assert {grant["path"] for grant in grants if guest in grant["between"]} == {"shm"}
    converse(user, guest)


def test_cloud_init_was_told_who_it_is(user: User) -> None:
    assert sh(user, "c1", "cloud-init status --wait").strip().endswith("status: done")
    assert sh(user, "c1", "hostname").strip() == "c1"
    assert "domsock.id=5" in sh(user, "c1", "cat /etc/domsock/agent.conf")
    assert "/dev/vda1" in sh(user, "c1", "blkid -t TYPE=vfat -o device")  # the firmware booted it


def test_its_disk_moves_with_it(user: User) -> None:
    sh(user, "d1", "echo before > /kept; sync")
    user.ok("migrate", "--testbed", "disks", "d1", "--to", "h2")
    sh(user, "d1", "echo after >> /kept; sync; echo 3 > /proc/sys/vm/drop_caches")
    assert sh(user, "d1", "cat /kept").split() == ["before", "after"]
    user.ok("migrate", "--testbed", "disks", "d1", "--to", "h1")
    assert sh(user, "d1", "cat /kept; systemctl --failed --no-legend").split() == [
        "before",
        "after",
    ]
    converse(user, "d1")
