"""The image `debian` in a testbed, as its example has it: beside a small guest, over shared memory,
to another host and back, and by ssh.

Opt-in, because it takes minutes: TESTBED_DISKS=1.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import clock, config
from tests.lab.support import User, nothing_left

pytestmark = [pytest.mark.disks, pytest.mark.timeout(1200)]
EXAMPLE = config.REPOSITORY / "examples" / "topologies" / "debian.yaml"
TALK, ANSWERS = "/run/talk", "/run/answers"
SERVE = (
    "setsid socat UNIX-LISTEN:/run/domsock/self/chat,unlink-early,mode=666 "
    "EXEC:'stdbuf -o0 tr a-z A-Z' >/dev/null 2>&1 </dev/null &"
)


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """Somebody with the example's testbed."""
    user = User(tmp_path_factory.mktemp("disks"), extra={"TESTBED_CACHE": str(config.cache_dir())})
    with nothing_left():
        said = user.ok("up", str(EXAMPLE), within=900)
        assert "boot d1 on h1" in said
        try:
            yield user
        finally:
            user.ok("down", "debian")
    assert not list((user.home / "state" / "testbeds").iterdir())


def sh(user: User, guest: str, script: str) -> str:
    return user.ok("exec", "--timeout", "2min", "-t", "debian", guest, "--", "sh", "-c", script)


def path(user: User) -> set[str]:
    """The path that the open stream takes, as both guests see it."""
    rows = user.json("streams", "-t", "debian")
    assert {row["guest"] for row in rows} == {"d1", "g1"}
    return {row["path"] for row in rows}


def talk(user: User, word: str) -> None:
    """A word over the stream that is open, and the server's answer."""
    sh(user, "g1", f"echo {word} > {TALK}")
    clock.wait_until(
        lambda: word.upper() in sh(user, "g1", f"cat {ANSWERS}").split(),
        within=60,
        what=f"the answer to {word}",
        every=0.5,
    )


def test_everything_is_started_when_up_returns(user: User) -> None:
    active = sh(user, "d1", "systemctl is-active ssh domsockd qemu-guest-agent").split()
    assert active == ["active"] * 3
    assert sh(user, "d1", "systemctl is-system-running; systemctl --failed").split()[0] == "running"
    assert sh(user, "d1", "hostname; python3 -c 'print(6 * 7)'").split() == ["d1", "42"]


def test_the_agent_came_as_a_package(user: User) -> None:
    told = sh(user, "d1", "dpkg-query --show --showformat '${db:Status-Status}' domsock-agent")
    assert told == "installed"
    show = "id -u domsockd; awk '/^Uid|^CapBnd/ {print $2}' /proc/$(pgrep -xo domsockd)/status"
    own, runs_as, bounding = sh(user, "d1", show).split()
    assert (runs_as, int(bounding, 16)) == (own, 0) and own != "0"


def test_ssh_runs_a_command_by_the_guest_s_sshd(user: User) -> None:
    done = user.run("ssh", "-t", "debian", "d1", "--", 'echo "$SSH_CONNECTION"; hostname; exit 3')
    connection, hostname = done.stdout.splitlines()
    assert (done.returncode, hostname) == (3, "d1"), done.stderr
    assert connection.split()[2:] == ["10.99.0.3", "22"]


def test_files_go_there_and_back(user: User, tmp_path: Path) -> None:
    data = os.urandom(300_001)
    (tmp_path / "there").write_bytes(data)
    (tmp_path / "there").chmod(0o741)
    user.ok("cp", "-t", "debian", str(tmp_path / "there"), "d1:/root/")
    assert sh(user, "d1", "stat -c %a /root/there").strip() == "741"
    user.ok("cp", "-t", "debian", "d1:/root/there", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data


def test_a_stream_and_the_disk_go_with_it_to_another_host_and_back(user: User) -> None:
    sh(user, "d1", f"{SERVE} echo before > /kept; sync")
    seen = "for i in $(seq 300); do [ -S /run/domsock/d1/chat ] && break; sleep 0.1; done"
    hold = f"exec 3<>{TALK}; exec /usr/bin/nc -U /run/domsock/d1/chat <&3 >{ANSWERS} 2>&1"
    sh(
        user,
        "g1",
        f"{seen}; mkfifo {TALK}; setsid /usr/bin/sh -c '{hold}' >/dev/null 2>&1 </dev/null &",
    )
    talk(user, "one")
    assert path(user) == {"shm"}
    user.ok("migrate", "-t", "debian", "d1", "--to", "h2")
    talk(user, "two")
    assert path(user) == {"tcp"}
    sh(user, "d1", "echo there >> /kept; sync; echo 3 > /proc/sys/vm/drop_caches")
    assert user.ok("ssh", "-t", "debian", "d1", "--", "cat /kept").split() == ["before", "there"]
    user.ok("migrate", "-t", "debian", "d1", "--to", "h1")
    talk(user, "three")
    assert path(user) == {"shm"}
    assert sh(user, "d1", "cat /kept; systemctl --failed --no-legend").split() == [
        "before",
        "there",
    ]
