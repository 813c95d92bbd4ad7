"""Where the controller finds a guest on a network that was renumbered."""

from __future__ import annotations

from typing import cast

import pytest

from harness.guests.guest import Guest
from harness.model import naming
from harness.watch import whereabouts
from tests.unit.grant_fakes import Stage


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (("10.201.0.3", "10.202.0.3"), "10.201.0.3"),
        (("10.201.0.3", "10.99.0.3"), "10.99.0.3"),
        ((), ""),
    ],
)
def test_a_guest_s_address_on_a_network(said: tuple[str, ...], found: str) -> None:
    stage, guest = Stage(), cast(Guest, Stage().low)
    cards = {naming.guest_mac("t-1", 3, 0): said, naming.guest_mac("t-1", 3, 1): ("10.7.0.3",)}
    assert whereabouts.on_network(stage.grant, guest, cards) == found
    stage.grant.network = None
    assert whereabouts.on_network(stage.grant, guest, cards) == ""
