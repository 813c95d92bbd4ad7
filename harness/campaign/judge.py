"""From what a case did and what was seen after it to a verdict: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.errors import TestbedError
from harness.model.campaign import Limits
from harness.model.campaign_plan import CaseSpec, Positions
from harness.model.campaign_result import Case, Span, Verdict
from harness.model.result import Migration, Path
from harness.traffic.burden import End, pattern_findings
from harness.traffic.harvest import Harvest, Patterns
from harness.virt.job import MigrationFailed


@dataclass
class Outcome:
    """What a case did: times on the leg's clock, `error` as the move raised it."""

    begin_ms: float
    end_ms: float = 0.0
    patterned: bool = True  # the guests hold patterns that can be checked
    migrations: list[Migration] = field(default_factory=list)
    error: TestbedError | None = None
    broken: TestbedError | None = None  # of the testbed itself: nothing more can be said
    gone: Sequence[str] = ()  # guests that run nowhere any more
    positions: Positions | None = None
    path_before: Path = "none"
    path_after: Path = "none"
    looks: Mapping[str, Harvest] = field(default_factory=dict)
    ends: Sequence[End] = ()
    spans: tuple[Span, ...] = ()


def judge(spec: CaseSpec, did: Outcome, granted: bool, limits: Limits, repeat: str) -> Case:
    """The case's record."""
    stall_ms, probe_ms = stalls(spec, did.ends)
    downtimes = [m.downtime_ms for m in did.migrations if m.downtime_ms]  # 0 is: not told
    of_qemu = [m.downtime_qemu_ms for m in did.migrations if m.downtime_qemu_ms is not None]
    findings = (
        (str(did.broken),)
        if did.broken
        else tuple(_findings(spec, did, granted, limits, stall_ms, max(downtimes, default=0.0)))
    )
    return Case(
        index=spec.index,
        name=spec.name,
        scenario=spec.scenario,
        modes=(spec.mode.name,),
        begin_ms=round(did.begin_ms, 1),
        end_ms=round(did.end_ms, 1),
        verdict=_verdict(spec, did, findings),
        findings=findings,
        said=_said(spec, did),
        migrations=tuple(did.migrations),
        spans=did.spans,
        path_before=did.path_before,
        path_after=did.path_after,
        downtime_qemu_ms=max(of_qemu, default=None),
        downtime_libvirt_ms=max(downtimes, default=None),
        downtime_client_ms=probe_ms if did.migrations else None,
        longest_stall_ms=stall_ms,
        probe_stall_ms=probe_ms,
        ram_checked=sum(found.ram_checked for found in _patterns(did)),
        disk_checked=sum(found.disk_checked for found in _patterns(did)),
        repeat=repeat,
    )


def _said(spec: CaseSpec, did: Outcome) -> str:
    """Why nobody moved: what is known of it, and libvirt's words."""
    if not spec.mode.stays or not isinstance(did.error, MigrationFailed):
        return ""
    words = f"libvirt said: {did.error.why or did.error.what}"
    return f"{spec.mode.because}; {words}" if spec.mode.because else words


def _patterns(did: Outcome) -> list[Patterns]:
    return [look.patterns for look in did.looks.values() if look.patterns is not None]


def _pattern_findings(did: Outcome) -> list[str]:
    if not did.patterned:
        return []
    return [f for guest, look in did.looks.items() for f in pattern_findings(guest, look.patterns)]


def stalls(spec: CaseSpec, ends: Sequence[End]) -> tuple[float | None, float | None]:
    """The longest stall of our streams, and of the plain TCP probe, in milliseconds.

    Only a guest that did not move has a clock that can tell: None when there is none.
    """
    moved = () if spec.mode.stays else tuple(guest for guest, _ in spec.moves)
    still = [end for end in ends if end.guest.name not in moved]

    def longest(chosen: Sequence[End]) -> float | None:
        found = [sample.stall_ms for end in chosen for sample in end.samples[1:]]
        return round(max(found), 1) if found else None

    ours = [end for end in still if end.line.timed]
    return longest(ours), longest([end for end in still if end.line.kind == "probe"])


def _verdict(spec: CaseSpec, did: Outcome, findings: Sequence[str]) -> Verdict:
    if did.broken:
        return "broken"
    if findings:
        return "fail"
    return "refused" if spec.mode.ends == "refused" else "pass"


def _findings(
    spec: CaseSpec,
    did: Outcome,
    granted: bool,
    limits: Limits,
    stall_ms: float | None,
    downtime_ms: float,
) -> list[str]:
    if did.gone:
        return _ending_findings(spec, did)
    return [
        *_ending_findings(spec, did),
        *_path_findings(spec, did, granted),
        *_pattern_findings(did),
        *_stream_findings(did.ends),
        *_limit("a stream stalled", stall_ms, limits.stall_below),
        *_limit("a guest was down", downtime_ms, limits.downtime_below),
    ]


def _ending_findings(spec: CaseSpec, did: Outcome) -> list[str]:
    """It ended as its mode must, and the guests are where they must be."""
    found, error, ends = [], did.error, spec.mode.ends
    if ends == "moves" and error is not None:
        found.append(str(error))
    elif ends != "moves" and error is None:
        found.append(f"it was not {ends}: the guest moved")
    elif isinstance(error, MigrationFailed) and not _as_wanted(error, ends):
        found.append(f"it was not {ends}, but failed: {error}")
    elif error is not None and not isinstance(error, MigrationFailed):
        found.append(f"it did not get as far as migrating: {error}")
    if did.gone:
        found += [f"{guest} no longer runs on any host" for guest in did.gone]
    elif did.positions != spec.end:
        found.append(f"the guests are on {did.positions}, not on {spec.end}")
    return found


def _as_wanted(error: MigrationFailed, ends: str) -> bool:
    return error.aborted if ends == "aborted" else error.refused


def _path_findings(spec: CaseSpec, did: Outcome, granted: bool) -> list[str]:
    before, after = spec.expected(granted)
    found = [("before", did.path_before, before), ("after", did.path_after, after)]
    return [
        f"{when} it the streams took the path {seen}, not {wanted}"
        for when, seen, wanted in found
        if seen != wanted
    ]


def _stream_findings(ends: Sequence[End]) -> list[str]:
    found = []
    for end in ends:
        where = f"{end.line.name} in {end.guest.name}"
        if end.final:
            found.append(f"{where} ended: {end.final.get('error') or 'bytes were wrong'}")
        elif len(end.samples) < 2 or _amount(end, -1) == _amount(end, 0):
            found.append(f"{where}: no byte moved")
    return found


def _amount(end: End, at: int) -> int:
    return end.samples[at].sent + end.samples[at].verified


def _limit(what: str, measured_ms: float | None, below: float | None) -> list[str]:
    if measured_ms is None or below is None or measured_ms < below * 1000:
        return []
    return [f"{what} for {measured_ms:.0f} ms; the limit is {below * 1000:.0f} ms"]
