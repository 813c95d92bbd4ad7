"""Programs in guests: exit codes like a shell's, and a guest agent that says anything."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from harness.errors import CommandFailed, TestbedError
from harness.guests import programs
from harness.run import Completed


class Domain:
    """Answers `guest-exec-status` with `status`; a program that is not there cannot be started."""

    where = "g1 on h1"

    def __init__(self, status: Any = None, why: str = "") -> None:
        self.status, self.why = status, why

    def guest_command(self, command: str, *, within: float, **_: Any) -> Any:
        if self.why:
            raise TestbedError("qemu-guest-agent does not do guest-exec", why=self.why)
        return {"pid": 7} if command == "guest-exec" else self.status


def run(domain: Any, *, check: bool = False) -> Completed:
    return programs.run(domain, ["prog", "x"], within=1, check=check)


def test_output_and_exit_code_are_the_programs() -> None:
    out = base64.b64encode(b"hello").decode()
    done = run(Domain({"exited": True, "exitcode": 3, "out-data": out}))
    assert (done.returncode, done.stdout, done.stderr) == (3, "hello", "")
    assert run(Domain({"exited": True, "signal": 9})).returncode == 137
    with pytest.raises(CommandFailed):
        run(Domain({"exited": True, "exitcode": 3}), check=True)


@pytest.mark.parametrize(
    ("reason", "code"), [("No such file or directory", 127), ("Permission denied", 126)]
)
def test_a_program_that_cannot_be_started_ends_like_in_a_shell(reason: str, code: int) -> None:
    why = (
        "internal error: unable to execute QEMU agent command 'guest-exec': "
        f"Failed to execute child process “prog” ({reason})"
    )
    done = run(Domain(why=why))
    assert (done.returncode, done.stderr) == (code, f"prog: {reason}\n")
    with pytest.raises(CommandFailed):
        run(Domain(why=why), check=True)


def test_an_agent_that_is_not_there_is_another_matter() -> None:
    with pytest.raises(TestbedError, match="not connected"):
        run(Domain(why="QEMU guest agent is not connected"))


@pytest.mark.parametrize(
    "status",
    [
        None,
        [],
        {},
        {"exited": "yes"},
        {"exited": True, "exitcode": "0"},
        {"exited": True, "exitcode": 0, "out-data": 5},
        {"exited": True, "exitcode": 0, "out-data": "abc"},
    ],
)
def test_a_status_without_sense_is_an_error_of_ours(status: Any) -> None:
    with pytest.raises(TestbedError, match="makes no sense"):
        run(Domain(status))
