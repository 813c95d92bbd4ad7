"""What happens to the guest of test_hosts.py and its hosts; runs inside their lab."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

from harness import clock
from harness.config import REPOSITORY
from harness.guests.guest import Guest
from harness.hosts.base import Host
from harness.run import Completed
from harness.traffic.traffic import Traffic, judge, plain_plan
from tests.lab.relay_inside import KILLED
from tests.lab.watched import SEED, SOON, Stage

BIN = "/var/lib/domsock/test"
PATH = f"PATH={BIN}:/var/lib/domsock/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PORT = "5000"
SERVER = """
import socket, sys
server = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
server.bind((int(sys.argv[1]), int(sys.argv[2]))); server.listen()
one, _ = server.accept(); one.sendall(sys.argv[3].encode())
one.shutdown(socket.SHUT_WR); one.recv(1)
"""


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
LOOKED_AT = ("paths", "streams of", "cid 2", "named h1", "from h1")


def greeting(server: Domain, client: Domain, name: str, serve: list[str]) -> str:
    """What a client reads at the server's port, by this name for it."""
    server.start(serve)
    ask = f"until domsock nc {name} {PORT} </dev/null; do sleep 0.1; done"
    return client.exec(["sh", "-c", ask]).stdout.strip()


def by_nc(server: Domain) -> list[str]:
    return ["sh", "-c", f"echo {server.name} | domsock nc -l {PORT}"]


def by_program(server: Domain, cid: int) -> list[str]:
    """A program that knows AF_VSOCK only, on a host."""
    return ["domsock", "run", "--", "/usr/bin/python3", "-c", SERVER, str(cid), PORT, server.name]


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
    streams = json.loads(stage.command("streams", "--json"))
    seen["streams of"].append(sorted({f"{each['guest']} {each['peer']}" for each in streams}))
    h1 = hosts["h1"]
    seen["cid 2"] += [
        greeting(hosts[here], guest, "2", by_program(hosts[here], socket.VMADDR_CID_HOST)),
        greeting(hosts[here], guest, "host", by_program(hosts[here], socket.VMADDR_CID_ANY)),
    ]
    seen["named h1"] += [greeting(h1, guest, "h1", by_nc(h1))]
    seen["from h1"] += [greeting(guest, h1, "g1", by_nc(guest))]


def agent_killed(stage: Stage, host: HostPrograms) -> None:
    """kill -9 of the agent of the guest's host, and a new one, which knows of nothing: the
    controller makes them known to each other, and they share memory again.
    """
    host.exec(["sh", "-c", KILLED])

    def shares() -> bool:
        return "shared memory" in host.exec(["domsock", "path", "g1"], check=False).stdout

    clock.wait_until(shares, within=SOON, what="shared memory again", every=0.3)
    assert greeting(host, stage.guest("g1"), "host", by_nc(host)) == host.name


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
    seen: dict[str, Any] = {key: [] for key in LOOKED_AT}
    traffic.start()
    look(stage, hosts, seen)
    for there in ("h2", "h1"):
        stage.carries_on(traffic)
        move(stage, there, by_hand=by_hand)
        look(stage, hosts, seen)
        stage.carries_on(traffic)
    traffic.stop()
    if by_hand:
        agent_killed(stage, hosts["h1"])
    bad = [each.model_dump() for each in judge(plans, traffic.reports(), "h1") if not each.clean]
    cards = guest.exec(["ls", "/sys/class/net"]).stdout.strip()
    return {**seen, "cards": cards, "streams": bad or "whole"}


if __name__ == "__main__":
    print(json.dumps(main(by_hand="by_hand" in sys.argv)))
