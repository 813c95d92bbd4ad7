"""The control's guests: the same hosts, fresh guests, and nothing that is ours between them."""

from __future__ import annotations

from contextlib import suppress
from itertools import product

from harness.errors import TestbedError
from harness.testbed.apply import ask_emulators, boot, find_parts
from harness.testbed.makings import Makings
from harness.testbed.testbed import Testbed
from harness.virt.domain import Domain


def without_grants(testbed: Testbed, makings: Makings) -> Testbed:
    """The same hosts with fresh guests that share nothing. The record says so, too: whoever
    finds the testbed later must not look for what is not there.
    """
    with testbed.events.span("control.boot"):
        _end_guests(testbed)
        topology = testbed.record.topology.model_copy(update={"grants": ()})
        record = testbed.record.model_copy(update={"topology": topology, "grants": ()})
        record.write()
        made = find_parts(record, makings.image, testbed.events)
        emulators = ask_emulators(topology, makings.hosts)
        guests = boot(record, testbed.places, made, emulators, testbed.events)
    return Testbed(record, testbed.places, guests, testbed.events)


def _end_guests(testbed: Testbed) -> None:
    """No guest runs afterwards, and no region is left."""
    for grant in testbed.grants:
        with suppress(TestbedError):
            if grant.plugged:
                grant.part()
        grant.tidy()
    for guest in testbed.guests.values():
        guest.drop_agent()
    for place, guest in product(testbed.places.values(), testbed.guests.values()):
        if (domain := Domain.find(place.connection, guest.domain.uuid)) is not None:
            domain.destroy()
