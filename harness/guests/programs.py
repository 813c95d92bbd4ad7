"""Programs inside a guest, through qemu-guest-agent's guest-exec: no network is needed."""

from __future__ import annotations

import base64
import re
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from harness import clock
from harness.errors import CommandFailed, TestbedError
from harness.run import Completed
from harness.virt.domain import Domain

CALL_SECONDS = 10.0
NOT_FOUND, NOT_EXECUTABLE = 127, 126  # as a shell has it
UNSTARTABLE = re.compile(r"Failed to execute child process .*\((.*)\)", re.DOTALL)


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode(errors="replace")


Output = Annotated[str, AfterValidator(_decoded)]


class _Reply(BaseModel):
    """What qemu-guest-agent returns; it lives in the guest, so it may return anything."""

    model_config = ConfigDict(frozen=True, strict=True)


class _Started(_Reply):
    pid: Annotated[int, Field(ge=0)]


class _Status(_Reply):
    exited: bool
    exitcode: int | None = None
    signal: int = 0
    out: Output = Field("", alias="out-data")
    err: Output = Field("", alias="err-data")

    @property
    def returncode(self) -> int:
        return 128 + self.signal if self.exitcode is None else self.exitcode


R = TypeVar("R", bound=_Reply)


def start(domain: Domain, argv: list[str]) -> int:
    """Start `argv`; its output goes nowhere. Gives the pid in the guest."""
    return _exec(domain, argv, capture=False)


def run(domain: Domain, argv: list[str], *, within: float, check: bool) -> Completed:
    """Run `argv` to its end and collect what it printed (at most 16 MiB: qemu-guest-agent).

    A program that is not there gives the exit code 127, one that may not be run 126. Raises
    CommandFailed on a non-zero exit code if `check`, DeadlineExceeded after `within`.
    """
    try:
        done = _completed(domain, argv, within)
    except TestbedError as error:
        reason = UNSTARTABLE.search(error.why)
        if reason is None:
            raise
        missing = "No such file" in reason[1]
        said = f"{argv[0]}: {reason[1]}\n"
        done = Completed(tuple(argv), NOT_FOUND if missing else NOT_EXECUTABLE, "", said)
    if check and done.returncode:
        raise CommandFailed(argv, done.returncode, done.stdout, done.stderr, where=domain.where)
    return done


def _completed(domain: Domain, argv: list[str], within: float) -> Completed:
    pid = _exec(domain, argv, capture=True)

    def ended() -> _Status | None:
        status = _ask(_Status, domain, "guest-exec-status", pid=pid)
        return status if status.exited else None

    status = clock.wait_until(ended, within=within, what=f"`{' '.join(argv)}` in {domain.where}")
    return Completed(tuple(argv), status.returncode, status.out, status.err)


def _exec(domain: Domain, argv: list[str], *, capture: bool) -> int:
    how = {"path": argv[0], "arg": argv[1:], "capture-output": capture}
    return _ask(_Started, domain, "guest-exec", **how).pid


def _ask(shape: type[R], domain: Domain, command: str, **arguments: Any) -> R:
    answer = domain.guest_command(command, within=CALL_SECONDS, **arguments)
    try:
        return shape.model_validate(answer)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise TestbedError(
            f"qemu-guest-agent's answer to {command} makes no sense",
            where=domain.where,
            why=f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
        ) from None
