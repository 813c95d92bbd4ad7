"""A guest without a network card and its hosts: both families, both ways, and through moves.

What happens is in hosts_inside.py, which runs inside the lab.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.lab.support import User

TOPOLOGY = """
name: wide
hosts: {h1: {}, h2: {}}
guests: {g1: {host: h1, networks: []}}
grants: [{between: [g1, h1], size: 8 MiB}]
"""


@contextmanager
def standing(user: User) -> Iterator[None]:
    """g1 is granted to both its hosts."""
    with user.standing("wide", TOPOLOGY):
        said = user.ok("grant", "g1", "h2", "-t", "wide", "--size", "8 MiB")
        assert "g1-h2 is granted: they are on relay until they meet" in said
        yield


def does(user: User, *how: str) -> dict[str, Any]:
    """There and back, inside the lab."""
    return user.inside("wide", "tests.lab.hosts_inside", *how)


def is_well(seen: dict[str, Any]) -> None:
    """Shared memory with the host it is on, the other one by relay; not one byte of the streams
    with a named host is lost, and CID 2 is where the guest is.
    """
    here, away = {"g1-h1": "shm", "g1-h2": "relay"}, {"g1-h1": "relay", "g1-h2": "shm"}
    assert seen["paths"] == [here, away, here]
    assert seen["streams of"] == [["g1 h1", "g1 h2", "h1 g1", "h2 g1"]] * 3
    assert seen["cid 2"] == ["h1", "h1", "h2", "h2", "h1", "h1"]
    assert seen["named h1"] == ["h1", "h1", "h1"]
    assert seen["from h1"] == ["g1", "g1", "g1"]
    assert seen["cards"] == "lo" and seen["streams"] == "whole"


def go_there_and_back(user: User) -> None:
    """testbed migrate, there and back; then a grant is taken back."""
    with standing(user):
        is_well(does(user))
        assert "is revoked" in user.ok("revoke", "g1", "h2", "-t", "wide", "--policy", "reset")
        refused = user.run("grant", "h1", "h2", "-t", "wide")
        assert "hosts, which share no memory" in refused.stderr
        assert [grant["path"] for grant in user.json("grants", "-t", "wide")] == ["shm"]


@pytest.mark.long
def test_a_guest_and_its_hosts(root: User) -> None:
    go_there_and_back(root)


@pytest.mark.long
@pytest.mark.ordinary_user
def test_ordinary_user(ordinary: User) -> None:
    go_there_and_back(ordinary)


@pytest.mark.long
def test_a_controller_brings_a_guest_and_its_hosts_together(root: User) -> None:
    """virsh migrate, there and back; and kill -9 of the host's agent."""
    with standing(root), root.started("watch", "wide", "--json"):
        is_well(does(root, "by_hand"))
