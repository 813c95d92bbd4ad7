"""What happens to the guest of test_hosts.py and its hosts; runs inside their lab."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from harness import clock
from harness.config import REPOSITORY
from harness.guests.guest import Guest
from harness.hosts.base import Host
from harness.run import Completed
from harness.traffic.traffic import Traffic, judge, plain_plan
from tests.lab.watched import SEED, SOON, Stage

BIN = "/var/lib/domsock/test"
PATH = f"PATH={BIN}:/var/lib/domsock/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PORT = "5000"


class HostPrograms:
    """A host, as far as streams between programs need a guest."""

    def __init__(self, host: Host) -> None:
        self.name, self._host = host.name, host
        host.run(["mkdir", "-p", BIN])
        host.put(REPOSITORY / "workloads/build/oracle", f"{BIN}/oracle", mode=0o755)

    def exec(self, argv: list[str], *, within: float = 30.0, check: bool = True) -> Completed:
        """Run a program to its end."""
        return self._host.run(["env", PATH, *argv], within=within, check=check)

    def start(self, argv: list[str]) -> int:
        """Start a program, and leave it running."""
        script = '"$@" >/dev/null 2>&1 </dev/null & echo $!'
        return int(self.exec(["sh", "-c", script, "sh", *argv]).stdout)


Domain = Guest | HostPrograms


def greeting(server: Domain, client: Domain, *names: str) -> list[str]:
    """What the server's name is, as a client reads it by port, by each of these names for it."""
    said = []
    for name in names:
        server.start(["sh", "-c", f"echo {server.name} | domsock nc -l {PORT}"])
        ask = f"until domsock nc {name} {PORT} </dev/null; do sleep 0.1; done"
        said.append(client.exec(["sh", "-c", ask]).stdout.strip())
    return said


def paths(stage: Stage) -> dict[str, str]:
    return {"-".join(row["between"]): row["path"] for row in stage.grants()}


def move(stage: Stage, there: str, *, by_hand: bool) -> None:
    """testbed migrate; or virsh migrate, and the controller sees to the rest."""
    if not by_hand:
        stage.command("migrate", "g1", "--to", there)
        return
    stage.command("release", "g1")
    stage.migrate("g1", there)
    clock.wait_until(
        lambda: paths(stage)[f"g1-{there}"] == "shm", within=SOON, what="shm", every=0.3
    )


def look(stage: Stage, hosts: dict[str, HostPrograms], seen: dict[str, Any]) -> None:
    """By which paths, and whom CID 2 and the names lead to."""
    guest, here = stage.guest("g1"), stage.where("g1")
    seen["paths"].append(paths(stage))
    seen["cid 2"] += greeting(hosts[here], guest, "2")
    seen["named h1"] += greeting(hosts["h1"], guest, "h1")
    seen["from h1"] += greeting(guest, hosts["h1"], "g1")


def main(*, by_hand: bool) -> dict[str, Any]:
    """There and back, under streams with both hosts."""
    stage = Stage(Path())
    hosts = {name: HostPrograms(place.host) for name, place in stage.testbed.places.items()}
    guest = stage.guest("g1")
    plans = [
        *plain_plan("one", guest, hosts["h1"], SEED, 2),
        *plain_plan("two", guest, hosts["h2"], SEED, 2),
    ]
    traffic = Traffic(guest, hosts["h1"], SEED, stage.testbed.events, plans)
    traffic.guests = (guest, *hosts.values())
    seen: dict[str, Any] = {"paths": [], "cid 2": [], "named h1": [], "from h1": []}
    traffic.start()
    look(stage, hosts, seen)
    for there in ("h2", "h1"):
        stage.carries_on(traffic)
        move(stage, there, by_hand=by_hand)
        look(stage, hosts, seen)
        stage.carries_on(traffic)
    traffic.stop()
    bad = [each.model_dump() for each in judge(plans, traffic.reports(), "h1") if not each.clean]
    cards = guest.exec(["ls", "/sys/class/net"]).stdout.strip()
    return {**seen, "cards": cards, "streams": bad or "whole"}


if __name__ == "__main__":
    print(json.dumps(main(by_hand="by_hand" in sys.argv)))
