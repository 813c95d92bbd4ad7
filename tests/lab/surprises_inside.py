"""What happens to the watched testbed in each test of test_surprises.py; runs inside its lab.

Each begins with g1 and g2 on h1, sharing memory, and ends so. It gives what it saw.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from harness.model import naming
from tests.lab.watched import Stage, pass_time

SAVED = "/var/tmp/g1.saved"


def home(stage: Stage) -> None:
    """Both on h1 again, by hand, sharing memory."""
    for name in ("g1", "g2"):
        if stage.where(name) != "h1":
            since = stage.mark()
            stage.command("release", name)
            stage.migrate(name, "h1")
            stage.hears(since, "guest", guest=name, host="h1", state="running")
    stage.on_path("shm", 0)


def moved_by_hand(stage: Stage) -> dict[str, Any]:
    with stage.traffic() as traffic:
        refused = stage.migrate("g1", "h2", check=False)
        stage.command("release", "g1")
        since = stage.mark()
        stage.migrate("g1", "h2")
        stage.hears(since, "guest", guest="g1", host="h2", state="running")
        stage.carries_on(traffic)
        since = stage.mark()
        stage.migrate("g1", "h1")
        stage.on_path("shm", since)
        _pull(stage)
        stage.carries_on(traffic)
        return {"refused": refused.stderr, "streams": stage.whole(traffic)}


def _pull(stage: Stage) -> None:
    alias, since = naming.region_alias("g2"), stage.mark()
    stage.virsh("h1", "detach-device-alias", "g1", alias, "--live")
    stage.hears(since, "libvirt", guest="g1", what="device-removed")
    stage.hears(since, "act.end", verb="share")
    stage.on_path("shm", since)


def pulled(stage: Stage) -> dict[str, Any]:
    """virsh detach-device-alias, three times, while the streams use the region."""
    with stage.traffic() as traffic:
        for _ in range(3):
            _pull(stage)
            stage.carries_on(traffic)
        return {"streams": stage.whole(traffic)}


def at_once(stage: Stage, routes: dict[str, str]) -> None:
    """Both guests on their way at the same time."""
    for name in routes:
        stage.command("release", name)
    since = stage.mark()
    ways = [stage.start_migrating(name, to) for name, to in routes.items()]
    for way in ways:
        said = way.communicate(timeout=120)
        assert way.returncode == 0, said
    for name, to in routes.items():
        stage.hears(since, "guest", guest=name, host=to, state="running")
        assert stage.where(name) == to


def both_at_once(stage: Stage) -> dict[str, Any]:
    """To different hosts, then in opposite directions, then to the same host."""
    with stage.traffic() as traffic:
        at_once(stage, {"g1": "h2", "g2": "h3"})
        stage.carries_on(traffic)
        at_once(stage, {"g1": "h3", "g2": "h2"})
        stage.carries_on(traffic)
        since = stage.mark()
        at_once(stage, {"g1": "h1", "g2": "h1"})
        stage.on_path("shm", since)
        stage.carries_on(traffic)
        return {"streams": stage.whole(traffic)}


def during_the_return(stage: Stage) -> dict[str, Any]:
    """virsh migrate again, at different moments of the controller's return to shared memory."""
    outcomes = []
    with stage.traffic() as traffic:
        for moment in ("act.begin", "share.begin", "handover.begin"):
            if stage.where("g1") == "h1":
                stage.command("release", "g1")
                stage.migrate("g1", "h2")
            since = stage.mark()
            stage.migrate("g1", "h1")
            stage.hears(since, moment)
            done = stage.migrate("g1", "h3", check=False)
            outcomes.append("moved" if done.returncode == 0 else done.stderr.strip())
            stage.on_path("shm" if stage.where("g1") == "h1" else "tcp", since, within=90)
            stage.carries_on(traffic)
        home(stage)
        return {"outcomes": outcomes, "streams": stage.whole(traffic)}


def chain(stage: Stage) -> dict[str, Any]:
    """h1 → h2 → h1 → h2 → h1, each time as soon as the one before has arrived."""
    with stage.traffic() as traffic:
        for to in ("h2", "h1", "h2", "h1"):
            since = stage.mark()
            stage.command("release", "g1")
            stage.migrate("g1", to)
            stage.hears(since, "guest", guest="g1", host=to, state="running")
        stage.on_path("shm", since)
        stage.carries_on(traffic)
        return {"streams": stage.whole(traffic)}


def three_hosts(stage: Stage) -> dict[str, Any]:
    """Apart, then together on a third host, then back one after the other."""
    paths = []
    with stage.traffic() as traffic:
        for name, to in (("g1", "h3"), ("g2", "h2"), ("g2", "h3"), ("g1", "h1"), ("g2", "h1")):
            since = stage.mark()
            stage.command("release", name)
            stage.migrate(name, to)
            together = stage.where("g1") == stage.where("g2")
            paths.append("shm" if together else "tcp")
            stage.on_path(paths[-1], since)
            stage.carries_on(traffic)
        return {"paths": paths, "streams": stage.whole(traffic)}


def suspended(stage: Stage) -> dict[str, Any]:
    """virsh suspend g1, a minute, virsh resume g1."""
    with stage.traffic() as traffic:
        since = stage.mark()
        stage.virsh("h1", "suspend", "g1")
        stage.hears(since, "guest", guest="g1", state="paused")
        pass_time(60)
        assert not [e for e in stage.heard()[since:] if e["event"].startswith("act.")]
        stage.virsh("h1", "resume", "g1")
        stage.carries_on(traffic, within=60)
        return {
            "grant": json.loads(stage.command("grants", "--json")),
            "streams": stage.whole(traffic),
        }


def restored(stage: Stage) -> dict[str, Any]:
    """virsh save, virsh restore; and, after a crash (virsh destroy), the same file once more: the
    guest is put back in time.
    """
    refused = stage.virsh("h1", "save", "g1", SAVED, check=False)
    seen = {"refused": refused.stderr}
    with stage.traffic() as traffic:
        stage.command("release", "g1")
        stage.virsh("h1", "save", "g1", SAVED)
        _restore(stage)
        seen["saved"] = stage.broken(traffic)
    with stage.traffic() as traffic:
        since = stage.mark()
        stage.virsh("h1", "destroy", "g1")
        stage.hears(since, "act.end", verb="forsake")
        _restore(stage)
        seen["put back"] = stage.broken(traffic)
    with stage.traffic() as traffic:
        seen["afterwards"] = stage.whole(traffic)
    return seen


def _restore(stage: Stage) -> None:
    since = stage.mark()
    stage.virsh("h1", "restore", SAVED)
    stage.hears(since, "act.end", verb="renew")
    stage.on_path("shm", since, within=60)


def agent_killed(stage: Stage) -> dict[str, Any]:
    """kill -9 of domsockd in one guest, then in the other; init starts it again."""
    seen = {}
    for name in ("g1", "g2"):
        with stage.traffic() as traffic:
            since = stage.mark()
            stage.guest(name).exec(["sh", "-c", "kill -9 $(pidof domsockd)"])
            stage.hears(since, "act.end", verb="share")
            stage.on_path("shm", since)
            seen[name] = stage.broken(traffic)
    with stage.traffic() as traffic:
        seen["afterwards"] = stage.whole(traffic)
    return seen


def network_cut(stage: Stage) -> dict[str, Any]:
    """ip link set guests0 down on g1's host for 40 s: on shared memory, and on TCP."""
    seen = {}
    with stage.traffic() as traffic:
        for path in ("shm", "tcp"):
            if path == "tcp":
                stage.command("release", "g1")
                stage.migrate("g1", "h2")
            host = stage.guest("g1").place.host
            bridge = naming.guest_bridge(0)
            host.run(["ip", "link", "set", bridge, "down"])
            try:
                pass_time(40)
            finally:
                host.run(["ip", "link", "set", bridge, "up"])
            stage.carries_on(traffic, within=60)
        home(stage)
        seen["streams"] = stage.whole(traffic)
    return seen


def revoked(stage: Stage) -> dict[str, Any]:
    """testbed revoke under traffic: by fallback, granted again, by reset, granted again."""
    with stage.traffic() as traffic:
        since = stage.mark()
        stage.command("revoke", "g1", "g2")
        stage.on_path("tcp", since)
        stage.carries_on(traffic)
        stage.command("grant", "g1", "g2", "--size", "4 MiB")
        stage.carries_on(traffic)
        seen = {"fallback": stage.whole(traffic)}
    with stage.traffic() as traffic:
        stage.command("revoke", "g1", "g2", "--policy", "reset")
        seen["reset"] = stage.broken(traffic)
    since = stage.mark()
    stage.command("grant", "g1", "g2", "--size", "8 MiB")
    stage.on_path("shm", since)
    return seen


def unwatched(stage: Stage) -> dict[str, Any]:
    """Nobody watches: g1 moves away and back, and its link stays on TCP."""
    stage.command("release", "g1")
    stage.migrate("g1", "h2")
    stage.migrate("g1", "h1")
    return {"host": stage.where("g1")}


def leftovers(stage: Stage) -> dict[str, Any]:
    """What there is of regions, on all hosts and in both guests."""
    [grant] = json.loads(stage.command("grants", "--json"))
    places = stage.testbed.places.values()
    files = [place.host.run(["ls", "/dev/shm"]).stdout.split() for place in places]
    plugged = {name for guest in ("g1", "g2") for name in stage.guest(guest).regions().values()}
    return {
        "path": grant["path"],
        "files": sum(map(len, files)),
        "same": plugged == {grant["region"]},
    }


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](Stage(Path(sys.argv[2])))))
