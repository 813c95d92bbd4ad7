"""What happens to the guests of test_relay.py, under streams; runs inside their lab."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from harness import clock
from harness.guests.guest import Guest
from harness.model import naming
from harness.traffic.traffic import Traffic
from tests.lab.watched import Stage

SOON = 60.0
# As what started it did, nobody does it again in a lab.
KILLED = """
set -e
tr '\\0' '\\n' </proc/"$(cat /run/domsockd.pid)"/cmdline >/run/domsockd.argv
start-stop-daemon --stop --quiet --signal KILL --retry KILL/20 --pidfile /run/domsockd.pid
xargs -d '\\n' -a /run/domsockd.argv sh -c 'start-stop-daemon --start --quiet --background \
    --make-pidfile --pidfile /run/domsockd.pid --exec "$0" -- "$@"'
"""


def on_path(stage: Stage, path: str) -> None:
    """Wait until the link of g1 and g2 is there."""
    clock.wait_until(
        lambda: stage.grant()["path"] == path, within=SOON, what=f"path {path}", every=0.3
    )


def move(stage: Stage, name: str, to: str) -> None:
    """testbed migrate"""
    stage.command("migrate", name, "--to", to)
    stage.guest(name)


def moves(stage: Stage, traffic: Traffic) -> dict[str, Any]:
    """From two hosts to one, and apart again: by relay, shared memory, and relay."""
    on_path(stage, "relay")
    stage.carries_on(traffic)
    move(stage, "g2", "h1")
    on_path(stage, "shm")
    stage.carries_on(traffic)
    move(stage, "g1", "h2")
    on_path(stage, "relay")
    stage.carries_on(traffic)
    move(stage, "g1", "h1")
    on_path(stage, "shm")
    move(stage, "g2", "h2")
    on_path(stage, "relay")
    return {}


def agents_killed(stage: Stage, traffic: Traffic) -> dict[str, Any]:
    """kill -9 of each host's agent in turn, and a new one in its place."""
    for place in stage.testbed.places.values():
        place.host.run(["sh", "-c", KILLED])
        stage.carries_on(traffic)
    return {}


def moved_by_hand(stage: Stage, traffic: Traffic) -> dict[str, Any]:
    """virsh migrate: the controller tells the hosts, and shares memory."""
    stage.migrate("g1", "h2")
    on_path(stage, "shm")
    stage.carries_on(traffic)
    stage.command("release", "g1")
    stage.migrate("g1", "h1")
    on_path(stage, "relay")
    stage.carries_on(traffic)
    return {}


def agents_forget(stage: Stage, traffic: Traffic) -> dict[str, Any]:
    """kill -9 of both hosts' agents, and their routes are lost: the controller tells them again."""
    for place in stage.testbed.places.values():
        place.host.run(["sh", "-c", f"rm /run/domsock/routes.json {KILLED}"])
    stage.carries_on(traffic)
    return {}


def addresses(guest: Guest) -> str:
    return guest.exec(["ls", "/sys/class/net"]).stdout.strip()


def cards(stage: Stage) -> dict[str, Any]:
    """What the guests have of a network."""
    return {name: addresses(stage.guest(name)) for name in ("g1", "g2")}


def network_down(stage: Stage, traffic: Traffic) -> dict[str, Any]:
    """The tunnel between the hosts goes down, and comes back."""
    tunnel = naming.guest_tunnel(0)
    host = stage.testbed.places["h1"].host
    on_path(stage, "tcp")
    stage.carries_on(traffic)
    host.run(["ip", "link", "set", tunnel, "down"])
    begun = clock.now()
    stage.carries_on(traffic)
    stalled = clock.now() - begun
    on_path(stage, "relay")
    host.run(["ip", "link", "set", tunnel, "up"])
    on_path(stage, "tcp")
    return {"stalled": stalled}


def do(stage: Stage, names: list[str]) -> dict[str, Any]:
    """These cases one after the other, all under the same streams."""
    with stage.traffic() as traffic:
        seen: dict[str, Any] = {}
        for name in names:
            seen |= globals()[name](stage, traffic)
        stage.carries_on(traffic)
        return {**seen, **cards(stage), "streams": stage.whole(traffic)}


if __name__ == "__main__":
    print(json.dumps(do(Stage(Path(sys.argv[1])), sys.argv[2:])))
