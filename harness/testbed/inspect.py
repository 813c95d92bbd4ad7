"""What a testbed looks like now: asked of its hosts and agents, as plain data."""

from __future__ import annotations

from typing import Any

from harness.agent.answers import OpenStreams
from harness.grants.grant import Grant
from harness.testbed.testbed import Testbed


def inspect(testbed: Testbed) -> dict[str, Any]:
    """Everything, for ``testbed inspect --json``."""
    record = testbed.record
    return {
        "name": record.name,
        "testbed_id": record.testbed_id,
        "created": record.created,
        "accelerator": record.accelerator,
        "hosts": [
            {"name": place.name, "address": place.host.address, "uri": place.host.libvirt_uri}
            for place in testbed.places.values()
        ],
        "guests": guests(testbed),
        "grants": grants(testbed),
        "streams": streams(testbed),
    }


def guests(testbed: Testbed) -> list[dict[str, Any]]:
    """Each guest of the topology, and where it is."""
    rows = []
    for name in testbed.record.topology.guests:
        guest = testbed.guests.get(name)
        domain_id = testbed.record.topology.guest_id(name)
        addresses = testbed.record.topology.addresses_of(name)
        rows.append(
            {
                "name": name,
                "id": domain_id,
                "address": next(iter(addresses), ""),
                "addresses": list(addresses),
                "host": guest.place.name if guest else "",
                "state": _state(testbed, name),
                "regions": guest.regions() if guest else {},
            }
        )
    return rows


def _state(testbed: Testbed, name: str) -> str:
    guest = testbed.guests.get(name)
    if guest is None:
        return "gone"
    return "running" if guest.domain.running() else "paused"


def grants(testbed: Testbed) -> list[dict[str, Any]]:
    """Each grant: who, how much, where, and the path its link takes now."""
    return [_grant(grant) for grant in testbed.grants]


def _grant(grant: Grant) -> dict[str, Any]:
    link = grant.link_of(grant.low)
    return {
        "between": [grant.low.name, grant.high.name],
        "size": grant.spec.size,
        "path": link.path,
        "epoch": link.epoch,
        "region": grant.region.name if grant.region else None,
        "generation": grant.generation,
        "host": grant.low.place.host.name if grant.region else None,
    }


def streams(testbed: Testbed) -> list[dict[str, Any]]:
    """Every open stream, as each guest's agent sees it."""
    return [
        {"guest": guest.name, **stream.model_dump()}
        for guest in testbed.guests.values()
        for stream in guest.agent.ask(OpenStreams, "streams").streams
    ]
