"""A man in the middle of the relay: between two hosts, or a host itself. What he alters ends
connections, and no stream; nobody takes a wrong byte.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agents import Proxy, wait_until
from lying import DATA, FRAME, siphash
from programs import await_motion, both_ways, finish_all, open_streams
from relayed import Hosts, Port, hosts

UNOPENED = "a record does not open"
SUM = slice(FRAME.size - 16, FRAME.size - 8), slice(FRAME.size - 8, FRAME.size)

DEEDS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "the first byte is altered": lambda now, _: bytes([now[0] ^ 1]) + now[1:],
    "the last byte is altered": lambda now, _: now[:-1] + bytes([now[-1] ^ 1]),
    "what has passed comes again": lambda now, before: before + now,
    "it comes twice": lambda now, _: now + now,
    "some of it is lost": lambda now, _: now[: len(now) // 2],
    "noise comes": lambda now, _: random.Random(7).randbytes(200) + now,
}


class Trunk(Proxy):
    """The way between the hosts; spoils what passes, once when it is told to."""

    deed: Callable[[bytes, bytes], bytes] | None = None
    _before = b""

    def _alter(self, source: socket.socket, data: bytes) -> bytes:
        if self.deed is None:
            self._before = data
            return data
        deed, self.deed = self.deed, None
        return deed(data, self._before)


@pytest.fixture
def both(folder: Path) -> Iterator[Hosts]:
    with hosts(folder) as found:
        found.trunk.stop()
        found.trunk = Trunk(found.h1.call("routes")["port"])
        found.route()
        found.add_links()
        found.await_up()
        yield found


@pytest.mark.parametrize("deed", DEEDS)
def test_what_passes_between_hosts_is_meddled_with(both: Hosts, deed: str) -> None:
    trunk = both.trunk
    assert isinstance(trunk, Trunk)
    flows = both_ways(open_streams(both, 2))
    for times in range(1, 5):
        await_motion(flows, 100_000)
        trunk.deed = DEEDS[deed]
        wait_until(lambda n=times: ended(both) >= n, "a host notices, and ends the connection")
    await_motion(flows, 100_000)
    finish_all(flows)


def ended(both: Hosts) -> int:
    """How often a host has ended the connection with the other one."""
    logs = (host.log.read_text() for host in (both.h1, both.h2))
    return max(log.count("relay: the connection with host") for log in logs)


class LyingHost:
    """Alters what it passes on to a guest, and sums it up as if it had come so."""

    def __init__(self, port: Port) -> None:
        self._held, self.wanted = b"", False
        port.alter = self._alter

    def _alter(self, data: bytes) -> bytes:
        self._held += data
        out = b""
        while len(self._held) >= FRAME.size:
            _, kind, length, *_ = FRAME.unpack_from(self._held)
            if len(self._held) < FRAME.size + length:
                break
            frame, self._held = self._held[: FRAME.size + length], self._held[FRAME.size + length :]
            out += self._lie(frame) if self.wanted and kind == DATA and length > 40 else frame
        return out

    def _lie(self, frame: bytes) -> bytes:
        self.wanted = False
        payload = bytearray(frame[FRAME.size :])
        payload[-1] ^= 1
        head = bytearray(frame[: FRAME.size])
        head[SUM[0]] = siphash(bytes(payload))
        head[SUM[1]] = siphash(bytes(head[: FRAME.size - 8]))
        return bytes(head + payload)


def test_a_host_alters_what_it_passes_on(both: Hosts) -> None:
    """Its frames are right, and the records in them are not: they are sealed from end to end."""
    host = LyingHost(both.ports["g1"])
    flows = both_ways(open_streams(both, 2))
    for times in range(1, 4):
        await_motion(flows, 100_000)
        host.wanted = True
        wait_until(
            lambda n=times: both.g1.log.read_text().count(UNOPENED) >= n, "the agent notices"
        )
    await_motion(flows, 100_000)
    finish_all(flows)
