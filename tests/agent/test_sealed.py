"""A man in the middle of a link: he learns nothing, and what he alters only breaks connections."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from agents import Agent, Pair, wait_until
from hand_made import EPHEMERAL, HEADER, Peer
from middleman import TO_G1, TO_G2, Deed, Middleman, flip
from programs import both_ways, open_streams

UNOPENED = "a record does not open"
DIRECTIONS = (TO_G1, TO_G2)
NEW_KEY = "cd" * 32
FIRST_KEY_ID = slice(EPHEMERAL.stop, EPHEMERAL.stop + 16)

RECORDS: dict[str, tuple[int, Deed]] = {
    "one is altered": (1, lambda man, it: flip(it[0], man.noise.randrange(8 * len(it[0])))),
    "the first bit is altered": (1, lambda man, it: flip(it[0], 0)),
    "the last bit is altered": (1, lambda man, it: flip(it[0], 8 * len(it[0]) - 1)),
    "two change places": (2, lambda man, it: it[1] + it[0]),
    "one comes twice": (1, lambda man, it: it[0] + it[0]),
    "one is lost": (2, lambda man, it: it[1]),
    "an older one comes again": (1, lambda man, it: man.last[TO_G1][0] + it[0]),
    "one is sent back": (1, lambda man, it: man.last[TO_G2][0] + it[0]),
    "an empty one comes": (1, lambda man, it: bytes(20) + it[0]),
    "one without end comes": (1, lambda man, it: b"\xff" * 4 + it[0]),
}


@pytest.fixture
def spied_on(unlinked: Pair) -> Iterator[Pair]:
    unlinked.proxy.stop()
    unlinked.proxy = Middleman(unlinked.g1.port)
    yield unlinked


def middleman(pair: Pair) -> Middleman:
    assert isinstance(pair.proxy, Middleman)
    return pair.proxy


def receiver(pair: Pair, direction: str) -> Agent:
    return pair.g1 if direction == TO_G1 else pair.g2


@pytest.mark.parametrize("deed", RECORDS)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_records_that_are_meddled_with(spied_on: Pair, direction: str, deed: str) -> None:
    """The connection ends each time, and on the next one every stream carries on."""
    spied_on.connect()
    man, log = middleman(spied_on), receiver(spied_on, direction).log
    flows = both_ways(open_streams(spied_on, 2))
    for times in range(1, 6):
        wait_until(lambda: spied_on.g1.link()["state"] == "up", "the link is up")
        before = [flow.checked for flow in flows]
        wait_until(lambda b=before: moved(flows, b), "the streams carry on")
        man.spoil(direction, *RECORDS[deed])
        wait_until(lambda: man.done, "it is done")
        wait_until(lambda n=times: log.read_text().count(UNOPENED) >= n, "it is noticed")
    for flow in flows:
        flow.finish()


def moved(flows: list, before: list[int]) -> bool:  # type: ignore[type-arg]
    return all(flow.checked > was for flow, was in zip(flows, before, strict=True))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_record_that_is_cut_off(spied_on: Pair, direction: str) -> None:
    """Half of it comes, and then nothing: a connection that breaks, and no more than that."""
    spied_on.connect()
    man = middleman(spied_on)
    flows = both_ways(open_streams(spied_on, 2))
    for _ in range(5):
        before = [flow.checked for flow in flows]
        wait_until(lambda b=before: moved(flows, b), "the streams carry on")
        man.spoil(direction, 1, lambda man, it: it[0][: len(it[0]) // 2])
        wait_until(lambda: man.done, "it is done")
        man.cut()
    for flow in flows:
        flow.finish()


def test_who_looks_on_learns_nothing(spied_on: Pair) -> None:
    spied_on.connect()
    ((client, server),) = open_streams(spied_on, 1)
    secret = b"nobody else is to read this" * 100
    client.sendall(secret)
    assert server.recv(len(secret), 0x100) == secret  # MSG_WAITALL
    seen = middleman(spied_on).seen
    assert all(len(seen[direction]) > 100 for direction in DIRECTIONS)
    assert len(seen[TO_G1]) + len(seen[TO_G2]) > len(secret)
    for direction in DIRECTIONS:
        assert b"nobody else" not in seen[direction]
        assert b"service0" not in seen[direction]


ALTERED_HELLOS = {
    "an older version is offered": lambda hello: replaced(hello, slice(0, 2), b"\4\0"),
    "a newer version is offered": lambda hello: replaced(hello, slice(2, 4), b"\6\0"),
    "another incarnation": lambda hello: replaced(hello, slice(16, 24), bytes(8)),
    "another X25519 key": lambda hello: replaced(hello, EPHEMERAL, b"\x09" + bytes(31)),
    "another name": lambda hello: flip(hello, 8 * len(hello) - 1),
}


def replaced(message: bytes, where: slice, by: bytes) -> bytes:
    body = bytearray(message[HEADER.size :])
    body[where] = by
    return message[: HEADER.size] + bytes(body)


@pytest.mark.parametrize("how", ALTERED_HELLOS)
def test_hellos_that_are_altered(spied_on: Pair, how: str) -> None:
    """Both sides' are, in the same way, as if the other one had said so."""
    man = middleman(spied_on)
    man.alter_hello = ALTERED_HELLOS[how]
    spied_on.add_links()
    for agent in (spied_on.g1, spied_on.g2):
        wait_until(lambda a=agent: UNOPENED in a.log.read_text(), "it is noticed")
        assert agent.link()["state"] != "up"
    man.alter_hello = lambda hello: hello
    for agent in (spied_on.g1, spied_on.g2):
        wait_until(lambda a=agent: a.link()["state"] == "up", "left alone they find each other")


# ---- another key ----


def tell(pair: Pair, who: str, key: str) -> None:
    """Give one of them another key for the same link."""
    peer = {"g1": ("g2", 4, pair.g2.port), "g2": ("g1", 3, pair.proxy.port)}[who]
    about = dict(zip(("peer", "peer_id", "port"), peer, strict=True))
    agent = pair.g1 if who == "g1" else pair.g2
    agent.call("link.add", address="127.0.0.1", key=key, **about)


def connect_again(pair: Pair) -> None:
    downs = ups(pair)
    pair.proxy.cut()
    wait_until(lambda: ups(pair) == downs + 1, "a new connection is up")


def ups(pair: Pair) -> int:
    pair.g1.call("ping")  # events come before its answer
    return sum(event["event"] == "link.up" for event in pair.g1.channel.events)


@pytest.mark.parametrize("first, second", [("g1", "g2"), ("g2", "g1")])
def test_another_key_disturbs_nobody(pair: Pair, first: str, second: str) -> None:
    """It may be told in any order and any time apart: there is always one that both know."""
    flows = both_ways(open_streams(pair, 2))
    before = ups(pair)
    tell(pair, first, NEW_KEY)
    assert ups(pair) == before
    connect_again(pair)
    tell(pair, second, NEW_KEY)
    assert ups(pair) == before + 1
    assert knows(pair.g1, Pair.KEY), "a key is good until a newer one has been used"
    wait_until(lambda: pair.g2.link()["state"] == "up", "g2 has taken its place again")
    connect_again(pair)
    assert not knows(pair.g1, Pair.KEY)
    for flow in flows:
        flow.finish()


@pytest.mark.parametrize("told", ["g1", "g2"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_connection_that_breaks_between_the_proofs(
    spied_on: Pair, direction: str, told: str
) -> None:
    """One side has taken the key as proven and the other one has not; then one is told the next."""
    man = middleman(spied_on)
    man.spoil(direction, 1, keep_for_good)
    spied_on.add_links()
    wait_until(lambda: man.last[direction], "who has seen a proof goes on")
    tell(spied_on, told, NEW_KEY)
    man.alter_hello = lambda hello: hello
    man.cut()
    for agent in (spied_on.g1, spied_on.g2):
        wait_until(lambda a=agent: a.link()["state"] == "up", "they find each other")


def keep_for_good(man: Middleman, records: list[bytes]) -> bytes:
    """And have nobody come to anything on another connection."""
    man.alter_hello = lambda hello: b""
    return b""


def knows(agent: Agent, key: str) -> bool:
    """Whether it answers somebody who says that he knows that key."""
    peer = Peer(agent)
    try:
        peer.say_hello(peer.hello(key=key))
    except ConnectionError:
        return False
    finally:
        peer.socket.close()
    return True


def test_without_a_middleman_the_newer_key_is_taken(spied_on: Pair) -> None:
    """He cannot have an older key taken by hiding that the newer one is known."""
    spied_on.connect()
    for who in ("g1", "g2"):
        tell(spied_on, who, NEW_KEY)
    man = middleman(spied_on)
    man.alter_hello = lambda hello: replaced(hello, FIRST_KEY_ID, bytes(16))
    man.cut()
    wait_until(lambda: UNOPENED in spied_on.g1.log.read_text(), "it is noticed")
    man.alter_hello = lambda hello: hello
    wait_until(lambda: spied_on.g1.link()["state"] == "up", "left alone they find each other")
