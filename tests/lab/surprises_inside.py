"""What happens to the watched testbed in each test of test_surprises.py; runs inside its lab.

Each case begins with g1 and g2 on h1, sharing memory, and ends so. It gives what it saw. Those
with a Traffic run under streams that have to carry on to their end, whole.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from harness import clock
from harness.model import naming
from harness.traffic.traffic import Traffic
from tests.lab.interrupted import interrupted_away, interrupted_back
from tests.lab.stale_copy import stale_copy
from tests.lab.watched import Stage, pass_time

SAVED = "/var/tmp/g1.saved"
CUT_SECONDS = 40
NUMBERS = {"g1": 3, "g2": 4}
FROM_ELSEWHERE = (interrupted_away, interrupted_back, stale_copy)


def moved_by_hand(stage: Stage, traffic: Traffic) -> dict[str, Any]:
    """Away and back; and what stock QEMU says before the guest is released."""
    refused = stage.migrate("g1", "h2", check=False)
    stage.command("release", "g1")
    since = stage.mark()
    stage.migrate("g1", "h2")
    stage.hears(since, "guest", guest="g1", host="h2", state="running")
    stage.carries_on(traffic)
    since = stage.mark()
    stage.migrate("g1", "h1")
    stage.on_path("shm", since)
    return {"refused": refused.stderr}


def pulled(stage: Stage, traffic: Traffic) -> dict[str, Any]:
    """virsh detach-device-alias, while the streams use the region."""
    alias, since = naming.region_alias("g2"), stage.mark()
    stage.virsh("h1", "detach-device-alias", "g1", alias, "--live")
    stage.hears(since, "libvirt", guest="g1", what="device-removed")
    stage.hears(since, "act.end", verb="share")
    stage.on_path("shm", since)
    stage.carries_on(traffic)
    return {}


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


def both_at_once(stage: Stage, traffic: Traffic) -> dict[str, Any]:
    """To different hosts, then in opposite directions, then to the same host."""
    at_once(stage, {"g1": "h2", "g2": "h3"})
    stage.carries_on(traffic)
    at_once(stage, {"g1": "h3", "g2": "h2"})
    stage.carries_on(traffic)
    since = stage.mark()
    at_once(stage, {"g1": "h1", "g2": "h1"})
    stage.on_path("shm", since)
    return {}


def during_the_return(stage: Stage, traffic: Traffic) -> dict[str, Any]:
    """virsh migrate again, at different moments of the controller's return to shared memory."""
    outcomes = []
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
    if stage.where("g1") != "h1":
        since = stage.mark()
        stage.migrate("g1", "h1")
        stage.on_path("shm", since)
    return {"outcomes": outcomes}


def chain(stage: Stage, _traffic: Traffic) -> dict[str, Any]:
    """h1 → h2 → h1 → h2 → h1, each time as soon as the one before has arrived."""
    for to in ("h2", "h1", "h2", "h1"):
        since = stage.mark()
        stage.command("release", "g1")
        stage.migrate("g1", to)
        stage.hears(since, "guest", guest="g1", host=to, state="running")
    stage.on_path("shm", since)
    return {}


def three_hosts(stage: Stage, traffic: Traffic) -> dict[str, Any]:
    """Apart, then together on a third host, then back one after the other."""
    paths = []
    for name, to in (("g1", "h3"), ("g2", "h2"), ("g2", "h3"), ("g1", "h1"), ("g2", "h1")):
        since = stage.mark()
        stage.command("release", name)
        stage.migrate(name, to)
        paths.append("shm" if stage.where("g1") == stage.where("g2") else "tcp")
        stage.on_path(paths[-1], since)
        stage.carries_on(traffic)
    return {"paths": paths}


def suspended(stage: Stage, traffic: Traffic) -> dict[str, Any]:
    """virsh suspend g1, a minute, virsh resume g1."""
    since = stage.mark()
    stage.virsh("h1", "suspend", "g1")
    stage.hears(since, "guest", guest="g1", state="paused")
    pass_time(60)
    acts = [event for event in stage.heard()[since:] if event["event"].startswith("act.")]
    stage.virsh("h1", "resume", "g1")
    stage.carries_on(traffic, within=60)
    return {"acts": acts, "path": stage.grant()["path"]}


def network_cut(stage: Stage, traffic: Traffic) -> dict[str, Any]:
    """ip link set guests0 down on g1's host for 40 s: on shared memory, and on TCP."""
    _cut(stage, traffic)
    stage.command("release", "g1")
    stage.migrate("g1", "h2")
    _cut(stage, traffic)
    since = stage.mark()
    stage.migrate("g1", "h1")
    stage.on_path("shm", since)
    return {}


def _cut(stage: Stage, traffic: Traffic) -> None:
    host, bridge = stage.guest("g1").place.host, naming.guest_bridge(0)
    host.run(["ip", "link", "set", bridge, "down"])
    try:
        pass_time(CUT_SECONDS)
    finally:
        host.run(["ip", "link", "set", bridge, "up"])
    stage.carries_on(traffic, within=60)


def renumbered(stage: Stage, traffic: Traffic) -> dict[str, Any]:
    """ip addr add …; ip addr del … in both guests: on shared memory, then on TCP; and back."""
    since = stage.mark()
    _renumber(stage, traffic, old=99, new=201)
    stage.command("release", "g1")
    stage.migrate("g1", "h2")
    stage.on_path("tcp", since)
    stage.carries_on(traffic)
    _renumber(stage, traffic, old=201, new=202)
    since = stage.mark()
    stage.migrate("g1", "h1")
    stage.on_path("shm", since)
    addresses = _dialled(stage)
    _renumber(stage, traffic, old=202, new=99)
    return {"addresses": addresses}


def _renumber(stage: Stage, traffic: Traffic, *, old: int, new: int) -> None:
    """Their agents find each other at 10.NEW.0.N by TCP in the end."""
    for name, number in NUMBERS.items():
        card = f"ip addr add 10.{new}.0.{number}/16 dev eth0; ip addr del 10.{old}.0.{number}/16"
        stage.guest(name).exec(["sh", "-c", f"{card} dev eth0"])
    wanted = {f"10.{new}.0.{number}" for number in NUMBERS.values()}
    clock.wait_until(lambda: _dialled(stage) == sorted(wanted), within=90, what=str(wanted))
    stage.carries_on(traffic)


def _dialled(stage: Stage) -> list[str]:
    """The addresses of the peers that are reached by TCP."""
    said = [stage.guest(name).exec(["domsock", "ls", "--json"]).stdout for name in NUMBERS]
    links = [link for text in said for link in json.loads(text)["links"]]
    return sorted(link["address"] for link in links if (link["state"], link["by"]) == ("up", "tcp"))


def revoked(stage: Stage, traffic: Traffic) -> dict[str, Any]:
    """testbed revoke under traffic, by fallback; granted again."""
    since = stage.mark()
    stage.command("revoke", "g1", "g2")
    stage.on_path("tcp", since)
    stage.carries_on(traffic)
    since = stage.mark()
    stage.command("grant", "g1", "g2", "--size", "4 MiB")
    stage.on_path("shm", since)
    stage.carries_on(traffic)
    return {"size": stage.grant()["size"]}


def reset(stage: Stage) -> dict[str, Any]:
    """testbed revoke under traffic, by reset; granted again."""
    with stage.traffic() as traffic:
        stage.command("revoke", "g1", "g2", "--policy", "reset")
        seen = {"streams": stage.broken(traffic), "grants": stage.grants()}
    since = stage.mark()
    stage.command("grant", "g1", "g2", "--size", "8 MiB")
    stage.on_path("shm", since)
    return seen


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


def started_anew(stage: Stage) -> dict[str, Any]:
    """virsh destroy, under streams, and virsh create: it boots, and what was in it is gone."""
    with stage.traffic() as traffic:
        stage.command("release", "g1")
        with NamedTemporaryFile("w", suffix=".xml") as definition:
            definition.write(stage.virsh("h1", "dumpxml", "g1").stdout)
            definition.flush()
            since = stage.mark()
            stage.virsh("h1", "destroy", "g1")
            stage.virsh("h1", "create", definition.name)
        stage.hears(since, "act.end", within=90, verb="share")
        stage.on_path("shm", since, within=60)
        seen = {"g2": stage.broken(traffic, at="g2")}
    with stage.traffic() as traffic:
        seen["afterwards"] = stage.whole(traffic)
    return seen


def unwatched(stage: Stage) -> dict[str, Any]:
    """Nobody watches: g1 moves away and back, and its link stays on TCP."""
    stage.command("release", "g1")
    stage.migrate("g1", "h2")
    stage.migrate("g1", "h1")
    return {"path": stage.grant()["path"]}


def leftovers(stage: Stage) -> dict[str, Any]:
    """What there is of regions, on all hosts and in both guests."""
    return stage.leftovers()


def do(stage: Stage, names: list[str]) -> dict[str, Any]:
    """These cases one after the other, all under the same streams if they want any."""
    cases = [globals()[name] for name in names]
    if len(inspect.signature(cases[0]).parameters) == 1:
        [case] = cases
        return dict(case(stage))
    with stage.traffic() as traffic:
        seen: dict[str, Any] = {}
        for case in cases:
            seen |= case(stage, traffic)
        stage.carries_on(traffic)
        return {**seen, "streams": stage.whole(traffic)}


if __name__ == "__main__":
    print(json.dumps(do(Stage(Path(sys.argv[1])), sys.argv[2:])))
