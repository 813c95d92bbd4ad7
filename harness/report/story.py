"""The run in plain sentences: what a reader who reads nothing else must know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from harness.model.campaign_result import CampaignResult, Case, Leg, Verdict
from harness.model.result import Stream
from harness.report.figures import Distribution
from harness.report.words import amount, finite, lasting, number, plural, shown

ACCELERATORS = {
    "kvm": "KVM (hardware)",
    "tcg": "TCG (emulated, no KVM: absolute times are not those of hardware)",
}
RAN_ON = ("cpu", "host kernel", "guest kernel", "qemu", "libvirt", "agent")


def sentences(result: CampaignResult) -> list[str]:
    """How much was done, what became of the bytes, and what was felt."""
    cases = [case for leg in result.legs for case in leg.cases]
    return [
        _count(result, cases),
        *_legs(result.legs),
        *_refusals(cases),
        *fate([stream for leg in result.legs for stream in leg.streams]),
        *_felt(result),
        *_checked(cases),
        *left_behind(result.left_behind),
    ]


def _count(result: CampaignResult, cases: Sequence[Case]) -> str:
    moves = sum(len(case.migrations) for case in cases)
    legs = " and ".join(leg.name for leg in result.legs)
    done = f"{plural(len(cases), 'case')} with {plural(moves, 'migration')}"
    return f"{done} in {lasting(result.seconds)} (legs: {legs or 'none'}): {_tally(cases)}."


def _tally(cases: Sequence[Case]) -> str:
    words: dict[Verdict, str] = {
        "pass": "passed",
        "fail": "failed",
        "broken": "broke the testbed",
        "refused": "rightly refused",
    }
    counts = Counter(case.verdict for case in cases)
    told = [f"{counts[verdict]:,} {word}" for verdict, word in words.items() if counts[verdict]]
    return ", ".join(told) or "none ran"


def _legs(legs: Sequence[Leg]) -> Iterator[str]:
    """What became of the cases with grants and without, where there is something to compare."""
    if len(legs) > 1:
        told = [f"{leg.name} {_tally(leg.cases)}" for leg in legs]
        yield f"The control runs cases again without grants: {'; '.join(told)}."


def _refusals(cases: Sequence[Case]) -> Iterator[str]:
    """What libvirt and QEMU cannot do, each refusal once."""
    refused = [case for case in cases if case.verdict == "refused"]
    for modes, said in dict.fromkeys((case.modes, case.said) for case in refused):
        yield f"Rightly refused: {shown(', '.join(modes), 100)}: {shown(said, 500)}."


def fate(streams: Sequence[Stream]) -> Iterator[str]:
    """What became of the bytes, all streams together."""
    if not streams:
        return
    amounts = [
        (sum(stream.lost for stream in streams), "lost"),
        (sum(stream.duplicated for stream in streams), "duplicated"),
        (sum(stream.reordered for stream in streams), "reordered"),
        (sum(stream.corrupted for stream in streams), "corrupted"),
    ]
    verified = amount(sum(stream.bytes_verified for stream in streams))
    told = ", ".join(f"{count:,} {word}" for count, word in amounts)
    where = plural(len(streams), "direction")
    yield f"{verified} in {where} of streams checked byte by byte: {told}."


def _felt(result: CampaignResult) -> Iterator[str]:
    for leg in result.legs:
        felt = Distribution.of(case.longest_stall_ms for case in leg.cases)
        probe = Distribution.of(case.probe_stall_ms for case in leg.cases)
        if felt.values:
            beside = f"plain TCP beside it {_spread(probe)}" if probe.values else "no baseline"
            yield f"Longest stall of a case, {leg.name}: {_spread(felt)}; {beside}."


def _spread(of: Distribution) -> str:
    return f"median {number(of.p50)}, p99 {number(of.p99)}, at most {number(of.most)} ms"


def _checked(cases: Sequence[Case]) -> Iterator[str]:
    ram, disk = sum(case.ram_checked for case in cases), sum(case.disk_checked for case in cases)
    if ram or disk:
        yield f"Patterns checked in guests after moves: RAM {amount(ram)}, disk {amount(disk)}."


def left_behind(left: Sequence[str] | None) -> Iterator[str]:
    """What the run left on the machine, where that was looked for."""
    if left is not None:
        what = ", ".join(shown(thing, 200) for thing in left[:20])
        yield f"Left behind on the machine: {what}." if left else "Nothing was left behind."


def ran_on(accelerator: str, *facts: Mapping[str, str]) -> list[tuple[str, str]]:
    """What every figure must be read with; what nobody noted is said to be unknown."""
    known = {key.lower(): value for mapping in facts for key, value in mapping.items()}
    named = ACCELERATORS.get(accelerator.lower(), shown(accelerator, 100) or "unknown")
    return [("accelerator", named)] + [
        (key, shown(known.get(key, ""), 200) or "unknown") for key in RAN_ON
    ]


def figures(named: Mapping[str, float]) -> list[tuple[str, str]]:
    """The run's own figures; those that are no number are left out."""
    return [
        (shown(k, 100), f"{v:,.3g}" if abs(v) < 1000 else number(v))
        for k, v in named.items()
        if finite(v)
    ]
