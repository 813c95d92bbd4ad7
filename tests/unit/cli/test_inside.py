"""What is made of the exit code of the half that ran inside."""

from __future__ import annotations

import sys

import pytest

from harness.cli import inside
from harness.errors import TestbedError, UsageError


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
