"""Eight guests of one host, each granted to each: 28 regions, and a stream over each at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from harness import clock
from tests.lab.support import User

GUESTS = [f"g{number}" for number in range(1, 9)]
PAIRS = list(itertools.combinations(GUESTS, 2))
NAME = "eight"
BYTES = 4 << 20  # each way of each stream
TOPOLOGY = f"""
name: {NAME}
hosts: {{h1: {{}}, h2: {{}}}}
guests: {{{", ".join(f"{guest}: {{host: h1}}" for guest in GUESTS)}}}
grants: [{", ".join(f"{{between: [{a}, {b}], size: 4 MiB}}" for a, b in PAIRS)}]
"""
# One end of a stream; how it ended goes to a file of the peer's name.
ORACLE = f"oracle {{where}} --bytes {BYTES} --send-seed {{ours}} --expect-seed {{theirs}}"
END = "( {oracle} --connect-within 120 > {peer}.out 2>&1; echo $? > {peer}.code ) &\n"
PATIENCE_S = 300


@pytest.fixture
def eight(root: User) -> Iterator[User]:
    with root.standing(NAME, TOPOLOGY):
        yield root


def grants(user: User) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = user.json("grants", "-t", NAME)
    return found


def in_guest(user: User, guest: str, script: str) -> str:
    return user.ok("exec", "-t", NAME, guest, "--", "sh", "-c", script)


def ends_of(guest: str) -> str:
    """A script with this guest's end of each of its streams: the first of a pair connects."""
    script = "mkdir -p /run/ends; cd /run/ends; umask 0\n"
    for number, (first, second) in enumerate(PAIRS):
        if guest not in (first, second):
            continue
        connects = guest == first
        peer = second if connects else first
        where = f"--connect /run/domsock/{second}/{first}"
        where = where if connects else f"--listen /run/domsock/self/{first}"
        ours, theirs = 2 * number + connects, 2 * number + (not connects)
        oracle = ORACLE.format(where=where, ours=ours, theirs=theirs)
        script += END.format(oracle=oracle, peer=peer)
    return script


def codes(user: User, guest: str) -> list[str]:
    """How its ends of streams ended, so far."""
    return in_guest(user, guest, "cat /run/ends/*.code 2>/dev/null; true").split()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_each_guest_is_granted_to_each(eight: User) -> None:
    before = grants(eight)
    assert [grant["path"] for grant in before] == ["shm"] * len(PAIRS)
    assert len({grant["region"] for grant in before}) == len(PAIRS)
    for guest in GUESTS:
        in_guest(eight, guest, f"( {ends_of(guest)} ) > /dev/null 2>&1 < /dev/null")
    for guest in GUESTS:
        clock.wait_until(
            lambda g=guest: len(codes(eight, g)) == len(GUESTS) - 1,
            within=PATIENCE_S,
            what=f"the streams of {guest}",
            every=1,
        )
        assert set(codes(eight, guest)) == {"0"}
    assert eight.json("streams", "-t", NAME) == []

    eight.ok("migrate", "-t", NAME, "g1", "--to", "h2")
    apart = {tuple(grant["between"]): grant["path"] for grant in grants(eight)}
    assert apart == {pair: "tcp" if "g1" in pair else "shm" for pair in PAIRS}
    eight.ok("migrate", "-t", NAME, "g1", "--to", "h1")
    assert [grant["path"] for grant in grants(eight)] == ["shm"] * len(PAIRS)
