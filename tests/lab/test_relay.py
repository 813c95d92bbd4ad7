"""Guests without a network card, and guests whose network is down: their streams go through the
hosts, and on. What happens is in relay_inside.py, which runs inside the lab.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.lab.support import User

TOPOLOGY = """
name: wide
hosts: {{h1: {{}}, h2: {{}}}}
guests: {{g1: {{host: h1{card}}}, g2: {{host: h2{card}}}}}
grants: [{{between: [g1, g2], size: 8 MiB}}]
"""


@contextmanager
def standing(user: User, card: str) -> Iterator[User]:
    with user.standing("wide", TOPOLOGY.format(card=card)):
        yield user


def does(user: User, *cases: str) -> dict[str, Any]:
    """These cases of relay_inside.py, inside the lab."""
    log = str(user.home / "watch.jsonl")
    return user.inside("wide", "tests.lab.relay_inside", log, *cases)


@pytest.mark.long
def test_guests_without_a_network_card(root: User) -> None:
    """Apart, on one host, apart again; and the hosts' agents are killed: no byte is lost."""
    with standing(root, ", networks: []") as user:
        assert [grant["path"] for grant in user.json("grants", "-t", "wide")] == ["relay"]
        seen = does(user, "moves", "agents_killed")
    assert (seen["g1"], seen["g2"], seen["streams"]) == ("lo", "lo", "whole")


@pytest.mark.long
def test_a_controller_tells_the_hosts(root: User) -> None:
    """virsh migrate g1 …, and hosts' agents that have forgotten everything."""
    with standing(root, ", networks: []") as user, user.started("watch", "wide", "--json"):
        seen = does(user, "moved_by_hand", "agents_forget")
    assert seen["streams"] == "whole"


@pytest.mark.long
def test_a_network_that_is_down_is_gone_round(root: User) -> None:
    """ip link set guests-vx0 down: by relay, and back to TCP once it is up again."""
    with standing(root, "") as user:
        seen = does(user, "network_down")
    assert seen["streams"] == "whole"
