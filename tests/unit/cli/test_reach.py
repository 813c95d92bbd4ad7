"""A testbed in reach, and a guest that is never where it just was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.cli import reach
from harness.errors import GuestGone


@contextmanager
def nobodys(_name: str, _patience: float) -> Iterator[None]:
    yield


def test_a_guest_that_moves_on_is_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "held", nobodys)
    asked: list[int] = []

    def question(_: object) -> int:
        asked.append(1)
        if len(asked) < reach.LOOKS:
            raise GuestGone("g1 has no state")
        return 7

    assert reach.answered("lab", 1, question) == 7


def test_a_guest_that_is_never_found_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "held", nobodys)
    asked: list[int] = []

    def question(_: object) -> int:
        asked.append(1)
        raise GuestGone("g1 has no state")

    with pytest.raises(GuestGone):
        reach.answered("lab", 1, question)
    assert len(asked) == reach.LOOKS
