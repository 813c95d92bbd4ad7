"""Where guests say that they are on their networks, and that they may say anything."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import TestbedError
from harness.guests import cards

LOOPBACK = {"name": "lo", "ip-addresses": [{"ip-address-type": "ipv4", "ip-address": "127.0.0.1"}]}
CARD = {
    "name": "eth0",
    "hardware-address": "52:54:00:AA:00:03",
    "ip-addresses": [
        {"ip-address-type": "ipv6", "ip-address": "fe80::1", "prefix": 64},
        {"ip-address-type": "ipv4", "ip-address": "10.201.0.3", "prefix": 16},
    ],
}
DOWN = {"name": "eth1", "hardware-address": "52:54:00:aa:10:03"}


class Domain:
    where = "g1 on h1"

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def guest_command(self, command: str, *, within: float) -> Any:
        assert command == "guest-network-get-interfaces"
        return self.answer


def addresses(answer: Any) -> cards.Addresses:
    domain: Any = Domain(answer)
    return cards.addresses(domain)


def test_by_mac() -> None:
    found = addresses([LOOPBACK, CARD, DOWN])
    assert found["52:54:00:aa:00:03"] == ("10.201.0.3",)
    assert found["52:54:00:aa:10:03"] == ()


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "x",
        {"cards": []},
        [None],
        [{**CARD, "hardware-address": 7}],
        [{**CARD, "ip-addresses": [{"ip-address-type": "ipv4", "ip-address": "10.7.0.3; rm"}]}],
        [{**CARD, "ip-addresses": [{"ip-address-type": "ipv4", "ip-address": ["10.7.0.3"]}]}],
        [CARD] * 65,
    ],
)
def test_nonsense_is_refused(answer: Any) -> None:
    with pytest.raises(TestbedError, match="makes no sense"):
        addresses(answer)
