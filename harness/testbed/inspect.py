"""What a testbed looks like now: asked of its hosts and agents, as plain data."""

from __future__ import annotations

from typing import Any

from harness.agent.answers import Link, OpenStream, OpenStreams
from harness.errors import CommandFailed, TestbedError
from harness.grants.grant import Grant
from harness.grants.host_domain import HostDomain
from harness.model.grant_table import Granted
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
                "released": testbed.released(name),
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
    """Each row of the table: who, how much, since when, where, and the path its link takes now."""
    return [
        {**_row(row), **_at_work(testbed.grant_between(row.pair))} for row in testbed.record.grants
    ]


def _row(row: Granted) -> dict[str, Any]:
    return {
        "between": list(row.pair),
        "size": row.spec.size,
        "policy": row.spec.policy,
        "since": row.since,
        "revoked": not row.shares,
    }


def _at_work(grant: Grant | None) -> dict[str, Any]:
    """What it does now; nothing while one of its guests runs nowhere."""
    link, region = (_link(grant), grant.region) if grant else (Link(peer=""), None)
    return {
        "released": bool(grant and grant.row.shares and not grant.shares),
        "path": link.path,
        "epoch": link.epoch,
        "region": region.name if region else None,
        "generation": grant.generation if grant else 0,
        "host": grant.low.place.host.name if grant and region else None,
    }


def _link(grant: Grant) -> Link:
    """As one of its ends sees it: one that is suspended says nothing."""
    for member in (grant.low, grant.high):
        try:
            return grant.link_of(member)
        except TestbedError:
            continue
    return Link(peer="")


def streams(testbed: Testbed) -> list[dict[str, Any]]:
    """Every open stream, as the agent of each guest sees it, and of each host that has a grant."""
    running = [guest for guest in testbed.guests.values() if guest.domain.running()]
    hosts = [testbed.hosts[name] for name in sorted(testbed.granted_hosts())]
    found = [
        *((guest.name, guest.agent.ask(OpenStreams, "streams").streams) for guest in running),
        *((host.name, _streams_of(host)) for host in hosts),
    ]
    return [
        {"guest": name, **stream.model_dump(exclude={"owner"})}
        for name, streams in found
        for stream in streams
    ]


def _streams_of(host: HostDomain) -> list[OpenStream]:
    try:
        return host.streams()
    except CommandFailed:  # an agent that does not run has none
        return []
