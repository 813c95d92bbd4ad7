"""Stress runs that never were, as like real ones as a seed can make them.

``python -m tests.report_samples FOLDER [CASES] [--fail]`` writes one's summary.json and report.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal

from harness import report
from harness.model.campaign_result import CampaignResult, Case, Leg, Resource, Series, Span, Verdict
from harness.model.result import Migration, Stream
from harness.model.result import Path as Way

SCENARIOS = (
    ("ping-pong g1", ("precopy",)),
    ("ping-pong g1", ("postcopy",)),
    ("ping-pong g2", ("precopy", "parallel")),
    ("opposite", ("precopy",)),
    ("together-apart-together", ("precopy", "auto-converge")),
    ("ping-pong g1", ("precopy", "tls")),
    ("bandwidth", ("precopy", "limit 32 MiB/s")),
    ("abort", ("precopy",)),
)
WORKLOADS = (
    ("s1", "bulk"),
    ("s2", "bulk"),
    ("s3", "request-response"),
    ("s4", "slow reader"),
)
RATES = {"bulk": 9e6, "request-response": 6e5, "slow reader": 1.5e6}
AGAIN = {"grants": "", "control": " --control always"}
STEP_MS = 100.0
PAUSE_MS = 900.0
PHASES = (("handover out", 120), ("unplug", 150), ("migrate", 1300), ("plug", 250))


@dataclass(frozen=True)
class Sample:
    """What to invent. `fail` damages a stream, breaks a case and lets memory grow."""

    cases: int = 24
    seed: int = 7
    fail: bool = False


def campaign(sample: Sample) -> CampaignResult:
    """A whole run: a leg with grants and, a quarter as long, its control."""
    chance = Random(sample.seed)
    grants = leg("grants", sample, sample.cases, chance)
    control = leg("control", sample, max(1, sample.cases // 4), chance)
    return CampaignResult(
        campaign="smoke",
        command=f"testbed stress smoke --seed {sample.seed}",
        run_id="20261124-153000-smoke-0a1b2c",
        seed=sample.seed,
        commit="93575b6",
        began="2026-11-24T15:30:00Z",
        seconds=round(grants.seconds + control.seconds + 41.2, 1),
        verdict="fail" if sample.fail else "pass",
        findings=findings(grants) if sample.fail else (),
        attribution="the control passed the same cases: ours, not QEMU's" if sample.fail else "",
        accelerator="tcg",
        versions={
            "libvirt": "9.0.0",
            "qemu": "7.2.22",
            "host kernel": "6.1.0-30-amd64",
            "guest kernel": "6.1.0-30-cloud-amd64",
            "cpu": "Imaginary Xeon @ 2.10GHz",
            "agent": "0.1.0",
        },
        environment={"cores": "2", "memory": "8 GiB", "image": "micro 5f0c1e"},
        figures={"migrations_per_minute": 11.4, "own_ms_median": 214.0, "oracle_share": 0.61},
        legs=(grants, control),
        left_behind=(),
    )


def findings(grants: Leg) -> tuple[str, ...]:
    """What a failed run says of its first leg."""
    bad = [case for case in grants.cases if case.verdict != "pass" and case.findings]
    return (
        *(f"case {case.index} ({case.name}): {case.findings[0]}" for case in bad[:6]),
        "stream s1 g1→g2: 4,096 bytes lost",
        "resident memory of QEMU on h1 grows by 1.9 MiB a migration",
    )


def leg(name: Literal["grants", "control"], sample: Sample, count: int, chance: Random) -> Leg:
    """So many cases one after the other, and what moved meanwhile."""
    cases: list[Case] = []
    now = 3000.0
    for index in range(count):
        verdict: Verdict = "pass"
        if sample.fail and name == "grants" and index in (2, count // 2):
            verdict = "fail" if index == 2 else "broken"
        cases.append(case(name, index, now, verdict, chance))
        now = cases[-1].end_ms + PAUSE_MS
    damaged = sample.fail and name == "grants"
    flows = [(s, w, ends) for s, w in WORKLOADS for ends in (("g1", "g2"), ("g2", "g1"))]
    return Leg(
        name=name,
        seconds=round(now / 1000 + 1, 1),
        cases=tuple(cases),
        series=tuple(series(*flow, cases, now, chance) for flow in flows),
        streams=tuple(stream(s, ends, now, damaged and s == "s1") for s, _, ends in flows),
        resources=resources(cases, now, damaged, chance),
    )


def case(leg_name: str, index: int, begin: float, verdict: Verdict, chance: Random) -> Case:
    """A move away or, every other time, back: its phases follow from the paths."""
    scenario, modes = SCENARIOS[index % len(SCENARIOS)]
    away, shares = index % 2 == 0, leg_name == "grants"
    slow = 1.0 if chance.random() < 0.95 else chance.uniform(2, 6)
    spans, at = [], begin
    for phase, usual in PHASES:
        if phase == "migrate" or (shares and away == (phase in ("handover out", "unplug"))):
            lasted = usual * slow * chance.lognormvariate(0, 0.25)
            spans.append(Span(name=phase, begin_ms=at, end_ms=at + lasted))
            at += lasted + 8
    if shares and not away:
        spans.append(Span(name="handover back", begin_ms=at, end_ms=at + 60))
        at += 60
    refused = scenario == "abort" and verdict == "pass"
    down = 150 * slow * chance.lognormvariate(0, 0.35)
    before, after = ways(shares, away)
    return Case(
        index=index,
        name=f"{scenario}, {'away' if away else 'back'}",
        scenario=scenario,
        modes=modes,
        begin_ms=begin,
        end_ms=at + 40,
        verdict="refused" if refused else verdict,
        findings=FINDINGS[verdict],
        said="libvirt said: canceled by client" if refused else "",
        migrations=(migration(spans, away, down),),
        spans=tuple(spans),
        path_before=before,
        path_after=after,
        downtime_qemu_ms=down,
        downtime_libvirt_ms=None if "postcopy" in modes else down * 1.08,
        downtime_client_ms=down * chance.uniform(1.6, 2.3),
        longest_stall_ms=down * chance.uniform(1.4, 2.6),
        probe_stall_ms=down * chance.uniform(1.2, 2.0),
        ram_checked=64 << 20,
        disk_checked=0,
        repeat=f"testbed stress smoke --seed 7 --case {index}" + AGAIN[leg_name],
    )


FINDINGS: dict[Verdict, tuple[str, ...]] = {
    "pass": (),
    "refused": (),
    "fail": ("stream s1 g1→g2: bytes 81,920 to 86,015 never arrived",),
    "broken": (
        "libvirtd on h2 does not answer (h2): no reply within 30 s\n  next: testbed doctor",
    ),
}


def ways(shares: bool, away: bool) -> tuple[Way, Way]:
    """The path before and after a move."""
    if not shares:
        return "tcp", "tcp"
    return ("shm", "tcp") if away else ("tcp", "shm")


def migration(spans: list[Span], away: bool, down: float) -> Migration:
    """The figures of a move, from its phases."""
    took = {span.name: span.end_ms - span.begin_ms for span in spans}
    return Migration(
        guest="g1",
        source="h1" if away else "h2",
        destination="h2" if away else "h1",
        total_ms=spans[-1].end_ms - spans[0].begin_ms,
        call_ms=took["migrate"],
        downtime_ms=down,
        handover_out_ms=took.get("handover out", 0.0),
        handover_back_ms=took.get("handover back", 0.0),
        detach_ms=took.get("unplug", 0.0),
        attach_ms=took.get("plug", 0.0),
        own_ms=took.get("handover out", 0.0) + took.get("handover back", 0.0) + 16,
        bytes_in_ring_at_fence=(1 << 19) if away else 0,
        bytes_resent=0,
    )


def series(
    name: str,
    workload: str,
    ends: tuple[str, str],
    cases: list[Case],
    until: float,
    chance: Random,
) -> Series:
    """Faster on shared memory, slow while a guest is copied, nothing while it stands still."""
    rate = RATES[workload] * STEP_MS / 1000
    received = []
    remaining = iter([*cases, None])
    current = next(remaining)
    path: Way = cases[0].path_before
    for step in range(int(until / STEP_MS)):
        at = step * STEP_MS
        if current is not None and at > current.end_ms:
            path, current = current.path_after, next(remaining)
        share = (1.0 if path == "shm" else 0.55) * chance.uniform(0.75, 1.1)
        if current is not None and current.begin_ms <= at:
            stalled = current.longest_stall_ms or 0.0
            share *= 0.0 if current.end_ms - 300 - stalled <= at < current.end_ms - 300 else 0.5
        received.append(int(rate * share))
    return Series(
        stream=name,
        from_=ends[0],
        to=ends[1],
        workload=workload,
        begin_ms=0.0,
        step_ms=STEP_MS,
        received=tuple(received),
    )


def stream(name: str, ends: tuple[str, str], until: float, damaged: bool) -> Stream:
    """A direction's final count."""
    sent = int(RATES["bulk"] * until / 1000)
    lost = 4096 if damaged and ends[0] == "g1" else 0
    return Stream(
        name=name,
        from_=ends[0],
        to=ends[1],
        bytes_sent=sent,
        bytes_verified=sent - lost,
        lost=lost,
        duplicated=0,
        reordered=0,
        corrupted=0,
        longest_stall_ms=531.0,
        clean=not lost,
    )


def resources(cases: list[Case], until: float, grows: bool, chance: Random) -> tuple[Resource, ...]:
    """A sample after every case."""
    at = tuple(case.end_ms for case in cases)

    def resource(name: str, unit: str, base: float, noise: float, growth: float = 0) -> Resource:
        values = tuple(base + growth * n + noise * chance.random() for n in range(len(at)))
        why = f"grows by {growth / 2**20:.1f} MiB a case" if growth else ""
        return Resource(name=name, unit=unit, at_ms=at, values=values, flat=not growth, why=why)

    return (
        resource("resident memory of QEMU, h1", "bytes", 214e6, 3e6, 2e6 if grows else 0),
        resource("resident memory of libvirtd, h1", "bytes", 31e6, 4e5),
        resource("open files of libvirtd, h1", "", 41, 0),
        resource("region files, h1", "", 1, 0),
        resource("network interfaces, h1", "", 6, 0),
    )


def main() -> None:
    """Write a sample's summary and report into a folder."""
    folder, *more = (argument for argument in sys.argv[1:] if argument != "--fail")
    sample = Sample(cases=int(more[0]) if more else 24, fail="--fail" in sys.argv)
    result = campaign(sample)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    (target / "summary.json").write_text(result.model_dump_json(indent=1, by_alias=True))
    report.write_junit(result, target)
    print(report.write(result, target))


if __name__ == "__main__":
    main()
