"""Surprises: a watched testbed whose guests are moved, pulled at, put to sleep and put back by
hand, under traffic. Each stream carries on to its end, whole, or ends with an error at both ends.

What happens is in surprises_inside.py, which runs inside the lab. docs/paths.md has a table of all.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from harness import clock, config, run
from tests.lab.support import User

INSIDE = "tests.lab.surprises_inside"
TOPOLOGY = """
name: wide
hosts: {h1: {}, h2: {}, h3: {}}
guests: {g1: {host: h1}, g2: {host: h1}}
grants: [{between: [g1, g2], size: 8 MiB}]
"""


class Watched:
    """A testbed of three hosts, and how to begin and end a controller of it."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.log = user.home / "watch.jsonl"
        self.log.touch()

    def watch(self) -> run.Process:
        """testbed watch wide --json"""
        with self.log.open("ab") as log:
            return run.spawn(
                self.user.argv("watch", "wide", "--json"),
                env=self.user.env,
                cwd=self.user.home,
                stdin=run.DEVNULL,
                stdout=log,
                stderr=log,
                new_session=True,
            )

    def kill(self, process: run.Process) -> None:
        """SIGKILL of the one that acts, inside the lab; it says nothing any more."""
        family = psutil.Process(process.pid).children(recursive=True)
        next(child for child in reversed(family) if "harness" in child.cmdline()).kill()
        run.terminate(process, 30)

    def hears(self, since: int, name: str, within: float = 60) -> None:
        clock.wait_until(
            lambda: any(event["event"] == name for event in self.events()[since:]),
            within=within,
            what=f"{name} from the controller",
            every=0.01,
        )

    def events(self) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def path(self) -> str:
        [grant] = self.user.json("grants", "-t", "wide")
        return str(grant["path"])

    def argv(self, *cases: str) -> list[str]:
        """The command line that does these cases of surprises_inside.py inside the lab."""
        return self.user.inside_argv("wide", INSIDE, str(self.log), *cases)

    def does(self, *cases: str) -> dict[str, Any]:
        return self.user.inside("wide", INSIDE, str(self.log), *cases)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    home = tmp_path_factory.mktemp("surprises")
    (home / "cache").symlink_to(config.cache_dir())
    user = User(home)
    with user.standing("wide", TOPOLOGY):
        yield Watched(user)


@pytest.fixture
def watched(standing: Watched) -> Iterator[Watched]:
    """A controller watches it, and guests are at home: g1 and g2 on h1, on shared memory."""
    since = len(standing.events())
    process = standing.watch()
    try:
        standing.hears(since, "watch.settled")
        assert standing.path() == "shm"
        yield standing
    finally:
        run.terminate(process, 30)


def test_a_move_by_hand_is_noticed_and_a_pulled_device_replaced(watched: Watched) -> None:
    """virsh migrate --live --p2p g1 …, which stock QEMU refuses before testbed release g1; virsh
    detach-device-alias g1 ua-domsock-g2 --live.
    """
    seen = watched.does("moved_by_hand", "pulled")
    assert "Migration is disabled when using feature 'peer mode'" in seen["refused"]
    assert seen["streams"] == "whole"


@pytest.mark.long
def test_a_device_that_is_pulled_again_and_again(watched: Watched) -> None:
    """virsh detach-device-alias g1 ua-domsock-g2 --live."""
    assert watched.does("pulled", "pulled", "pulled")["streams"] == "whole"


@pytest.mark.long
def test_both_guests_at_once(watched: Watched) -> None:
    """virsh migrate g1 … & virsh migrate g2 …: opposite directions, and to the same host."""
    assert watched.does("both_at_once")["streams"] == "whole"


@pytest.mark.long
def test_a_move_that_arrives_during_the_return_handover(watched: Watched) -> None:
    """virsh migrate g1 … while the controller takes its link back to shared memory."""
    seen = watched.does("during_the_return")
    assert seen["streams"] == "whole" and len(seen["outcomes"]) == 3


@pytest.mark.long
def test_a_chain_of_moves(watched: Watched) -> None:
    """testbed release g1; virsh migrate g1 …, four times in a row."""
    assert watched.does("chain")["streams"] == "whole"


@pytest.mark.long
def test_three_hosts(watched: Watched) -> None:
    """virsh migrate to and from a third host."""
    seen = watched.does("three_hosts")
    assert seen == {"paths": ["tcp", "tcp", "shm", "tcp", "shm"], "streams": "whole"}


@pytest.mark.long
def test_a_guest_that_is_suspended_for_a_minute(watched: Watched) -> None:
    """virsh suspend g1; virsh resume g1."""
    assert watched.does("suspended") == {"acts": [], "path": "shm", "streams": "whole"}


@pytest.mark.long
@pytest.mark.parametrize("way", ["away", "back"])
def test_a_move_that_is_interrupted_at_each_of_its_steps(standing: Watched, way: str) -> None:
    """Ctrl-C of testbed migrate g1 …: the guest runs on one of the two hosts, its streams open."""
    seen = standing.does(f"interrupted_{way}")
    path = {"handover.begin", "handover.end"}
    assert {"move.begin", "migrate.begin", "migrate.end", "move.end"} | path <= set(seen["moments"])
    assert set(seen["ends"]) == {"h1", "h2"} and seen["streams"] == "whole"


@pytest.mark.long
def test_a_region_that_turns_into_a_stale_copy(standing: Watched) -> None:
    """virsh attach-device, with role='master': stock QEMU migrates that one, and copies it."""
    seen = standing.does("stale_copy")
    assert seen["streams"] == "whole", seen


@pytest.mark.long
def test_a_guest_that_is_restored_from_a_saved_state(watched: Watched) -> None:
    """virsh save g1 …, which stock QEMU refuses while it shares memory; virsh restore …; virsh
    destroy g1, and virsh restore … of the same file.
    """
    seen = watched.does("restored")
    assert "peer mode" in seen["refused"]
    assert seen["saved"].startswith("broken") and seen["put back"].startswith("broken")
    assert seen["afterwards"] == "whole"


@pytest.mark.long
def test_an_agent_that_is_killed(watched: Watched) -> None:
    """kill -9 $(pidof domsockd), in either guest."""
    seen = watched.does("agent_killed")
    assert seen["g1"].startswith("broken") and seen["g2"].startswith("broken")
    assert seen["afterwards"] == "whole"


@pytest.mark.long
def test_a_guest_that_is_started_anew(watched: Watched) -> None:
    """virsh dumpxml g1 >g1.xml; virsh destroy g1; virsh create g1.xml."""
    seen = watched.does("started_anew")
    assert seen["g2"].startswith("broken") and seen["afterwards"] == "whole"


@pytest.mark.long
def test_a_network_that_is_cut_for_forty_seconds(watched: Watched) -> None:
    """ip link set guests0 down; ip link set guests0 up."""
    assert watched.does("network_cut")["streams"] == "whole"


@pytest.mark.long
def test_a_network_that_is_renumbered(watched: Watched) -> None:
    """ip addr add …; ip addr del … in both guests."""
    seen = watched.does("renumbered")
    assert seen == {"addresses": ["10.202.0.3", "10.202.0.4"], "streams": "whole"}


@pytest.mark.long
def test_a_grant_that_is_revoked_under_traffic(watched: Watched) -> None:
    """testbed revoke g1 g2, with either policy; testbed grant g1 g2."""
    assert watched.does("revoked") == {"size": 4 << 20, "streams": "whole"}
    seen = watched.does("reset")
    assert seen["streams"].startswith("broken") and seen["grants"] == []


@pytest.mark.long
def test_one_controller_at_a_time(watched: Watched) -> None:
    """testbed watch, and testbed watch --no-wait."""
    refused = watched.user.run("watch", "wide", "--no-wait")
    assert refused.returncode == 2 and "wide is watched already: by " in refused.stderr


@pytest.mark.long
def test_the_next_controller_takes_over(standing: Watched) -> None:
    """kill -9 of the first; Ctrl-C of the second."""
    since = len(standing.events())
    first = standing.watch()
    standing.hears(since, "watch.settled")
    since = len(standing.events())
    second = standing.watch()
    try:
        standing.hears(since, "watch.held")
        standing.kill(first)
        standing.hears(since, "watch.taken")
        second.send_signal(signal.SIGINT)
        assert run.wait(second, 30) == 0
        standing.hears(since, "watch.stopped")
    finally:
        run.terminate(first, 30)
        run.terminate(second, 30)


@pytest.mark.long
@pytest.mark.parametrize("moment", ["act.begin", "share.begin", "handover.begin", "handover.end"])
def test_a_controller_that_is_killed_is_followed_by_one_that_ends_its_work(
    standing: Watched, moment: str
) -> None:
    """kill -9 of testbed watch, at that event of its; then testbed watch."""
    assert standing.does("unwatched") == {"path": "tcp"}
    since = len(standing.events())
    first = standing.watch()
    standing.hears(since, moment)
    standing.kill(first)
    since = len(standing.events())
    second = standing.watch()
    try:
        standing.hears(since, "watch.settled")
        seen = standing.does("leftovers")
        assert seen == {"path": "shm", "files": 1, "same": True}
    finally:
        run.terminate(second, 30)
