"""The oracle's command line and its report (workloads/, "oracle"): pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

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


Count = Annotated[int, Field(ge=0, lt=1 << 64)]
Milliseconds = Annotated[float, Field(ge=0)]


class _Line(BaseModel):
    """A line of a report. It was written in a guest, which may write anything."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow", allow_inf_nan=False)


class _SampleLine(_Line):
    monotonic_ns: Count
    sent: Count
    verified: Count
    receive_stall_ms: Milliseconds
    send_stall_ms: Milliseconds
    ended: bool

    def sample(self) -> Sample:
        stall_ms = max(self.receive_stall_ms, self.send_stall_ms)
        return Sample(self.monotonic_ns, self.sent, self.verified, stall_ms, self.ended)


class _FinalLine(_Line):
    final: Literal[True]
    bytes_sent: Count
    bytes_verified: Count
    lost: Count
    duplicated: Count
    reordered: Count
    corrupted: Count
    eof: bool
    longest_send_stall_ms: Milliseconds = 0.0
    longest_receive_stall_ms: Milliseconds = 0.0


_LINE: TypeAdapter[_FinalLine | _SampleLine] = TypeAdapter(_FinalLine | _SampleLine)


def parse_report(text: str) -> Report:
    """A report from its JSON lines; what is neither sample nor final is skipped (its writer may
    be killed), so a stream whose end makes no sense counts as one that never ended.
    """
    samples, final = [], {}
    for text_line in text.splitlines():
        try:
            line = _LINE.validate_json(text_line)
        except ValidationError:
            continue
        if isinstance(line, _FinalLine):
            final = line.model_dump()
        else:
            samples.append(line.sample())
    return Report(tuple(samples), final)


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
