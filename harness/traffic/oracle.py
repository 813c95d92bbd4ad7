"""The oracle's command line and its report (workloads/, "oracle"): pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

FOLDER = "/run/oracle"
INTERVAL_MS = 100
PROBE_PACE_MS = 10
PROBE_CHUNK = 64
PROBE_PORT = 9000
CONNECT_SECONDS = 30

Kind = Literal["unix", "netcat", "tcp"]


@dataclass(frozen=True)
class Sample:
    """One line of a report. Stalls are of the interval that ends here, in milliseconds.

    `ended` says that the peer's end mark has come: it sends nothing more.
    """

    monotonic_ns: int
    sent: int
    verified: int
    stall_ms: float
    ended: bool


@dataclass(frozen=True)
class Report:
    """Everything one end of a stream noted; `final` is empty when it never finished."""

    samples: tuple[Sample, ...]
    final: dict[str, Any]

    def between(self, begin_ns: int, end_ns: int) -> tuple[int, float]:
        """Bytes sent and verified, and the longest stall, within that stretch of its clock."""
        inside = [s for s in self.samples if begin_ns <= s.monotonic_ns <= end_ns]
        if len(inside) < 2:
            return 0, 0.0
        first, last = inside[0], inside[-1]
        moved = last.sent - first.sent + last.verified - first.verified
        return moved, max(sample.stall_ms for sample in inside[1:])


def parse_report(text: str) -> Report:
    """A report from its JSON lines; what is no sample is skipped (its writer may be killed)."""
    samples, final = [], {}
    for line in text.splitlines():
        try:
            record = json.loads(line)
            if record.get("final"):
                final = record
            else:
                samples.append(_sample(record))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    return Report(tuple(samples), final)


def _sample(record: dict[str, Any]) -> Sample:
    return Sample(
        monotonic_ns=int(record["monotonic_ns"]),
        sent=int(record["sent"]),
        verified=int(record["verified"]),
        stall_ms=max(float(record["receive_stall_ms"]), float(record["send_stall_ms"])),
        ended=bool(record["ended"]),
    )


def report_path(stream: str) -> str:
    """Where an end of that stream reports, in its guest."""
    return f"{FOLDER}/{stream}.jsonl"


def serve_argv(kind: Kind, stream: str, seeds: tuple[int, int]) -> list[str]:
    """The serving end: binds, and waits for one peer."""
    tcp = kind == "tcp"
    where = f"0.0.0.0:{PROBE_PORT}" if tcp else f"/run/domsock/self/{stream}"
    return _argv(kind, stream, seeds, "--listen", where, ["nc", "-N", "-lU", where])


def connect_argv(kind: Kind, stream: str, seeds: tuple[int, int], peer: str) -> list[str]:
    """The connecting end. `peer` is a domain's name, or its address for plain TCP."""
    where = f"{peer}:{PROBE_PORT}" if kind == "tcp" else f"/run/domsock/{peer}/{stream}"
    return _argv(kind, stream, seeds, "--connect", where, ["nc", "-N", "-U", where])


def _argv(
    kind: Kind, stream: str, seeds: tuple[int, int], role: str, where: str, netcat: list[str]
) -> list[str]:
    argv = ["oracle", "--send-seed", str(seeds[0]), "--expect-seed", str(seeds[1])]
    argv += ["--report", report_path(stream), "--interval", str(INTERVAL_MS)]
    argv += ["--connect-within", str(CONNECT_SECONDS)]
    if kind == "tcp":
        pace = ["--pace", str(PROBE_PACE_MS), "--chunk", str(PROBE_CHUNK)]
        return [*argv, *pace, role.replace("--", "--tcp-"), where]
    if kind == "netcat":
        return [*argv, "--exec", "--", *netcat]
    return [*argv, role, where]
