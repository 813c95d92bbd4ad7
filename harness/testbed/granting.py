"""Grants made and taken back while a testbed runs, and guests let go to be moved by hand.

The table is written before guests are touched when something is taken away, and when something
is given: what is cut short half way is finished by the same command, or by `testbed watch`.
"""

from __future__ import annotations

from harness.errors import TestbedError, UsageError
from harness.grants import forsaken
from harness.grants.grant import Grant
from harness.guests.guest import Guest
from harness.hosts.base import Host
from harness.model.grant_table import Granted, Pair, Table, row_of, with_row, without
from harness.model.sizes import MIB, size_text
from harness.model.topology import GrantSpec, Policy
from harness.testbed import readiness
from harness.testbed.record import granted
from harness.testbed.testbed import Testbed, unknown
from harness.virt import xml


def grant(testbed: Testbed, spec: GrantSpec) -> Grant:
    """Let two guests, or a guest and a host, share memory: at once where they are together, and
    from then on whenever they meet.

    Raises UsageError with nothing touched. When it fails later the table is as it was.
    """
    _check(testbed, spec)
    before, row = testbed.record.grants, granted(spec)
    _write(testbed, with_row(before, row))
    made = testbed.grant_of(row)
    try:
        made.recover()
        testbed.routes.tell()
        testbed.domains.tell((made.low, made.high))
        made.introduce()
        if made.should_share:
            made.share()
    except BaseException:  # Ctrl-C, too
        _undo(testbed, before, made)
        raise
    return made


def _undo(testbed: Testbed, before: Table, made: Grant) -> None:
    """The error that brought us here is the one to tell. Whoever knew each other before goes on by
    TCP. What cannot be taken away now stays in the table, as revoked: it can be asked for again.
    """
    revoked = made.row.model_copy(update={"shares": False})
    _write(testbed, with_row(before, revoked))
    try:
        withdraw(made, forget=row_of(before, made.row.pair) is None)
    except TestbedError as error:
        made.events.emit("cleanup.failed", grant=made.name, error=str(error))
    else:
        _write(testbed, before)


def revoke(testbed: Testbed, pair: Pair, policy: Policy | None = None) -> Policy:
    """Take the shared memory of two domains away; gives the policy that was followed.

    `fallback` lets open streams go on without; `reset` ends them, and the agents forget each other.
    Raises UsageError with nothing touched. After any other failure it can be asked for again.
    """
    _members(testbed, pair)
    row, at_work = _granted_row(testbed, pair), testbed.grant_between(pair)
    assert at_work is not None, "both are there"
    policy = policy or row.spec.policy
    if policy == "fallback" and not row.shares and not at_work.plugged:
        raise UsageError(
            f"{'-'.join(pair)} is revoked already, its streams go on without shared memory",
            fix=f"testbed revoke {' '.join(pair)} --policy reset ends them",
        )
    _write(testbed, with_row(testbed.record.grants, row.model_copy(update={"shares": False})))
    withdraw(at_work, forget=policy == "reset")
    if policy == "reset":
        _write(testbed, without(testbed.record.grants, pair))
    return policy


def withdraw(at_work: Grant, *, forget: bool) -> None:
    """No region in either guest; and with `forget` no link between their agents."""
    at_work.shares = False
    if at_work.plugged:
        at_work.part()
    if forget:
        at_work.forget()
    at_work.tidy()


def release(testbed: Testbed, name: str) -> None:
    """Take all shared memory out of a guest, so that somebody can move it by hand; its streams go
    on by TCP. It gets none until it has moved, or `manage` takes it back.
    """
    guest = _running(testbed, name)
    _remember(testbed, {**testbed.record.released, name: guest.stay})
    for found in testbed.grants:
        if guest in (found.low, found.high):
            withdraw(found, forget=False)
    forsaken.forsake_those_gone(guest, _hosts(testbed))


def forsake(testbed: Testbed, name: str, peer: str) -> None:
    """The peer runs no more: its region is taken out, and the link with it ends."""
    forsaken.forsake(testbed.member(name), peer, testbed.record.testbed_id, _hosts(testbed))


def _hosts(testbed: Testbed) -> list[Host]:
    return [place.host for place in testbed.places.values()]


def manage(testbed: Testbed, name: str) -> None:
    """Take a released guest back: it shares memory with whom it may, where it is now."""
    guest = _running(testbed, name)
    if name not in testbed.record.released:
        raise UsageError(f"{name} is not released", fix=f"testbed release {name}")
    left = {other: stay for other, stay in testbed.record.released.items() if other != name}
    _remember(testbed, left)
    for found in testbed.grants:
        if guest not in (found.low, found.high):
            continue
        found.shares = found.row.shares and not any(map(testbed.released, found.row.pair))
        if found.should_share and not found.on_shm:
            found.share()


def _check(testbed: Testbed, spec: GrantSpec) -> None:
    """Everything that can be known before anything is touched."""
    guests = _members(testbed, spec.pair)
    row = row_of(testbed.record.grants, spec.pair)
    if row is not None and row.shares:
        raise UsageError(
            f"{'-'.join(spec.pair)} is granted already, {size_text(row.spec.size)}",
            fix=f"testbed revoke {' '.join(spec.pair)} takes it back",
        )
    for guest in guests:
        _check_port(guest)
    _check_room(testbed, spec)


def _members(testbed: Testbed, pair: Pair) -> list[Guest]:
    """Those of the two that are guests. Raises UsageError when both are hosts, or one is unknown or
    does not run, and TestbedError when a host does not answer.
    """
    topology = testbed.record.topology
    for name in pair:
        if name not in topology.domains:
            raise unknown("domain", name, topology.domains)
    hosts = [name for name in pair if name in topology.hosts]
    if len(hosts) == len(pair):
        raise UsageError(
            f"{' and '.join(pair)} are hosts, which share no memory",
            fix="a grant is between two guests, or a guest and a host",
        )
    for name in hosts:
        testbed.place(name)
    return [_running(testbed, name) for name in pair if name not in hosts]


def _running(testbed: Testbed, name: str) -> Guest:
    """The guest of that name. Raises UsageError when it is unknown or does not run."""
    if name not in testbed.record.topology.guests:
        raise unknown("guest", name, testbed.record.topology.guests)
    guest = testbed.guests.get(name)
    if guest is None:
        raise UsageError(f"{name} runs on no host", fix=f"testbed inspect {testbed.record.name}")
    if not guest.domain.running():
        raise UsageError(
            f"{name} does not run now", where=guest.place.name, fix=f"let it go on: resume {name}"
        )
    return guest


def _check_port(guest: Guest) -> None:
    """A q35 takes a region in a port that it was started with; a pc needs none."""
    described = guest.domain.describe()
    if xml.has_root_ports(described) and xml.free_port(described) is None:
        raise UsageError(
            f"{guest.name} has no place for another region",
            where=guest.place.name,
            why="a q35 has one for each grant of the topology it was started with",
            fix="put the grant into the topology, or let the guest's machine be pc",
        )


def _check_room(testbed: Testbed, spec: GrantSpec) -> None:
    """They may meet on any host, a host on itself only: QEMU dies of a full /dev/shm."""
    can_share = testbed.record.topology.can_share_on
    for place in testbed.places.values():
        if not can_share(place.name, spec.pair):
            continue
        for what, free in zip(("/dev/shm", "memory"), readiness.room(place.host), strict=True):
            if free < spec.size:
                raise UsageError(
                    f"{place.name} has {free // MIB} MiB of {what}, and the region needs "
                    f"{spec.size // MIB} MiB",
                    fix="a smaller --size, or revoke another grant",
                )


def _granted_row(testbed: Testbed, pair: Pair) -> Granted:
    row = row_of(testbed.record.grants, pair)
    if row is None:
        known = ", ".join("-".join(row.pair) for row in testbed.record.grants) or "none"
        raise UsageError(f"{'-'.join(pair)} is not granted", why=f"grants: {known}")
    return row


def _write(testbed: Testbed, table: Table) -> None:
    testbed.record = testbed.record.model_copy(update={"grants": table})
    testbed.record.write()


def _remember(testbed: Testbed, released: dict[str, str]) -> None:
    testbed.record = testbed.record.model_copy(update={"released": released})
    testbed.record.write()
