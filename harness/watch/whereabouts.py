"""Where guests are on the network that they have in common, when it was renumbered."""

from __future__ import annotations

from harness.errors import TestbedError
from harness.grants.grant import Grant
from harness.guests.cards import Addresses
from harness.guests.guest import Guest
from harness.model import naming


def on_network(grant: Grant, guest: Guest, said: Addresses) -> str:
    """Its address on the network of that grant, of those that it said it has: the one that was
    planned, if it still has that one. Empty if it has none.
    """
    if grant.network is None:
        return ""
    card = naming.guest_mac(grant.testbed, guest.domain_id, grant.network)
    found, planned = said.get(card, ()), naming.guest_address(guest.domain_id, grant.network)
    return planned if planned in found else next(iter(found), "")


def of_members(grant: Grant) -> dict[str, str]:
    """By name, the addresses of those members that say where they are."""
    guests = [member for member in (grant.low, grant.high) if isinstance(member, Guest)]
    return {guest.name: at for guest in guests if (at := on_network(grant, guest, said_by(guest)))}


def said_by(guest: Guest) -> Addresses:
    """What it says; nothing when it cannot be asked."""
    try:
        return guest.addresses()
    except TestbedError:
        return {}
