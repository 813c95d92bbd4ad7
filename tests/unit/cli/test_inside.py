"""What is made of the exit code of the half that ran inside."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.cli import inside
from harness.errors import GuestGone, TestbedError, UsageError


class HereLab:
    """A lab that is entered by going nowhere, and runs `code` instead of a command."""

    def __init__(self, code: str) -> None:
        self.code = code

    def enter_argv(self, argv: list[str], *, waits: bool = False) -> list[str]:
        assert "-P" in argv
        return [sys.executable, "-c", self.code]


@pytest.mark.parametrize("code", [0, 1, 2, 69, 130])
def test_a_commands_own_codes_are_passed_on(code: int) -> None:
    assert inside.run_inside(HereLab(f"raise SystemExit({code})"), ["ls"]) == code  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(125)", "exit code 125"),
        ("import os; os.kill(os.getpid(), 9)", "Killed"),
    ],
)
def test_any_other_is_the_testbed_breaking(code: str, said: str) -> None:
    with pytest.raises(TestbedError, match=said) as caught:
        inside.run_inside(HereLab(code), ["ls"])  # type: ignore[arg-type]
    assert caught.value.exit_code == 69


def test_an_answer_is_what_was_printed() -> None:
    assert inside.ask_inside(HereLab("print(7)"), []) == "7\n"  # type: ignore[arg-type]
    with pytest.raises(TestbedError, match="it hurts"):
        inside.ask_inside(HereLab("raise SystemExit('testbed: it hurts')"), [])  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        inside.ask_inside(HereLab("raise SystemExit(2)"), [])  # type: ignore[arg-type]


@contextmanager
def nobodys(_name: str, _patience: float) -> Iterator[None]:
    yield


def test_a_guest_that_moves_on_is_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "held", nobodys)
    asked: list[int] = []

    def question(_: object) -> int:
        asked.append(1)
        if len(asked) < inside.LOOKS:
            raise GuestGone("g1 has no state")
        return 7

    assert inside.answered("lab", 1, question) == 7


def test_a_guest_that_is_never_found_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "held", nobodys)
    asked: list[int] = []

    def question(_: object) -> int:
        asked.append(1)
        raise GuestGone("g1 has no state")

    with pytest.raises(GuestGone):
        inside.answered("lab", 1, question)
    assert len(asked) == inside.LOOKS
