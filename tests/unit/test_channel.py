"""Waiting for a guest's port: prompt at first, and no burden on a guest that boots."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import clock
from harness.virt.channel import StreamTransport

NOTHING_YET = -2  # what libvirt's non-blocking streams give then


class Stream:
    """A stream whose first bytes come after so many seconds."""

    def __init__(self, silent: float) -> None:
        self.silent, self.looks = silent, 0

    def recv(self, _size: int) -> bytes | int:
        self.looks += 1
        return b"x" if clock.now() >= self.silent else NOTHING_YET


@pytest.fixture(autouse=True)
def time(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Nobody waits for real: the clock is what was slept."""
    at = [0.0]
    monkeypatch.setattr(clock, "now", lambda: at[0])
    monkeypatch.setattr(clock, "sleep", lambda seconds: at.append(at.pop() + seconds))
    return at


@pytest.mark.parametrize("silent", [0.0, 0.004, 0.2, 3.0])
def test_what_comes_is_had_soon(silent: float, time: list[float]) -> None:
    assert StreamTransport(Stream(silent), "g1").receive(within=10) == b"x"
    assert time[0] <= silent * 1.02 + 0.002


def test_a_long_silence_takes_few_looks() -> None:
    stream = Stream(silent=100)
    assert StreamTransport(stream, "g1").receive(within=10) == b""
    assert stream.looks < 10 / 0.01


def test_the_end_is_not_waited_past(time: list[float]) -> None:
    StreamTransport(Stream(silent=100), "g1").receive(within=1)
    assert time[0] == pytest.approx(1)
