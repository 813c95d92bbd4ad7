"""Programs inside a guest, through qemu-guest-agent's guest-exec: no network is needed."""

from __future__ import annotations

import base64
from typing import Any

from harness import clock
from harness.errors import CommandFailed
from harness.run import Completed
from harness.virt.domain import Domain

CALL_SECONDS = 10.0


def start(domain: Domain, argv: list[str]) -> int:
    """Start `argv`; its output goes nowhere. Gives the pid in the guest."""
    return _exec(domain, argv, capture=False)


def run(domain: Domain, argv: list[str], *, within: float, check: bool) -> Completed:
    """Run `argv` to its end and collect what it printed (at most 16 MiB: qemu-guest-agent).

    Raises CommandFailed on a non-zero exit code if `check`, DeadlineExceeded after `within`.
    """
    pid = _exec(domain, argv, capture=True)

    def ended() -> dict[str, Any] | None:
        status: dict[str, Any] = domain.guest_command(
            "guest-exec-status", within=CALL_SECONDS, pid=pid
        )
        return status if status["exited"] else None

    status = clock.wait_until(ended, within=within, what=f"`{' '.join(argv)}` in {domain.where}")
    code = status.get("exitcode", 128 + status.get("signal", 0))
    out, err = _text(status, "out-data"), _text(status, "err-data")
    if check and code:
        raise CommandFailed(argv, code, out, err, where=domain.where)
    return Completed(tuple(argv), code, out, err)


def _exec(domain: Domain, argv: list[str], *, capture: bool) -> int:
    answer = domain.guest_command(
        "guest-exec",
        within=CALL_SECONDS,
        path=argv[0],
        arg=argv[1:],
        **{"capture-output": capture},
    )
    return int(answer["pid"])


def _text(status: dict[str, Any], key: str) -> str:
    return base64.b64decode(status.get(key, "")).decode(errors="replace")
