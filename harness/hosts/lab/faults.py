"""Pulls cables of the lab's management network, and puts them back. Runs inside the lab."""

from __future__ import annotations

from harness import run
from harness.hosts.lab.spec import LabSpec

# A hardware address that no interface has: what is sent there reaches nobody, silently.
NOBODY = "02:00:00:00:00:01"


def cut_host(spec: LabSpec, host: str) -> None:
    """Pull the host's only cable: neither the harness nor another host reaches it."""
    run.run(["ip", "link", "set", spec.port(host), "down"])


def heal_host(spec: LabSpec, host: str) -> None:
    """Put it back."""
    run.run(["ip", "link", "set", spec.port(host), "up"])


def cut_between(spec: LabSpec, one: str, other: str) -> None:
    """Cut only these two from each other, both ways; the harness still reaches both."""
    for here, there in ((one, other), (other, one)):
        _neighbour(spec, here, there, "replace", "lladdr", NOBODY, "nud", "permanent")


def heal_between(spec: LabSpec, one: str, other: str) -> None:
    """Let them find each other again."""
    for here, there in ((one, other), (other, one)):
        _neighbour(spec, here, there, "delete")


def _neighbour(spec: LabSpec, here: str, there: str, verb: str, *more: str) -> None:
    spec.index(here)  # refuses a name that is no host
    address = spec.address(there)
    run.run(["ip", "-netns", here, "neighbour", verb, address, "dev", "eth0", *more])
