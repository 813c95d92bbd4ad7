"""The verdict: pure, from what was measured to pass or fail with reasons."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from harness.evidence.evidence import console_findings
from harness.model.result import Migration, Path, Phase, Stream, Summary

EXPECTED_PATHS: tuple[Path, ...] = ("shm", "tcp", "shm")
NETWORK_SHARE = 0.01


def sequence(phases: Sequence[Phase]) -> tuple[Path, ...]:
    """The paths in the order they were seen, each stretch once."""
    seen: list[Path] = []
    for phase in phases:
        if phase.path != "none" and (not seen or seen[-1] != phase.path):
            seen.append(phase.path)
    return tuple(seen)


def network_bytes_in_shm(phases: Sequence[Phase]) -> tuple[int, int]:
    """Bytes at the taps, and bytes of the streams, over all phases on shared memory."""
    shared = [phase for phase in phases if phase.path == "shm"]
    return sum(p.network_bytes for p in shared), sum(p.bytes for p in shared)


def findings(
    phases: Sequence[Phase], streams: Sequence[Stream], consoles: dict[str, str]
) -> list[str]:
    """Every promise that did not hold, each as a sentence."""
    return [
        *_stream_findings(streams),
        *_path_findings(phases),
        *_network_findings(phases),
        *console_findings(consoles),
    ]


def damage(streams: Sequence[Stream]) -> list[str]:
    """What was wrong with bytes that did arrive: worth telling even of a run that ended early."""
    hurt = [s for s in streams if s.duplicated or s.reordered or s.corrupted]
    return _stream_findings(hurt)


def figures(phases: Sequence[Phase], migrations: Sequence[Migration]) -> dict[str, float]:
    """What is compared from run to run; goals are in docs, never limits here. Milliseconds.

    A stall's bound is 1.2 times the longest stall of the plain TCP stream beside it, plus 200 ms.
    """
    worst = max(phases, key=lambda phase: phase.longest_stall_ms, default=None)
    own = [migration.own_ms for migration in migrations]
    return {
        "own_ms_median": round(median(own), 1) if own else 0.0,
        "longest_stall_ms": round(worst.longest_stall_ms, 1) if worst else 0.0,
        "stall_bound_ms": round(1.2 * worst.probe_stall_ms + 200, 1) if worst else 0.0,
    }


def _stream_findings(streams: Sequence[Stream]) -> list[str]:
    return [
        f"stream {s.name} {s.from_}→{s.to}: {s.bytes_verified} of {s.bytes_sent} bytes verified, "
        f"{s.lost} lost, {s.duplicated} duplicated, {s.reordered} reordered, "
        f"{s.corrupted} corrupted"
        for s in streams
        if not s.clean
    ]


def _path_findings(phases: Sequence[Phase]) -> list[str]:
    found = [f"no byte moved while {p.name}" for p in phases if p.path != "none" and not p.bytes]
    if sequence(phases) != EXPECTED_PATHS:
        seen = " → ".join(sequence(phases)) or "none"
        found.append(f"the streams went {seen}, not {' → '.join(EXPECTED_PATHS)}")
    return found


def _network_findings(phases: Sequence[Phase]) -> list[str]:
    network, total = network_bytes_in_shm(phases)
    if network >= NETWORK_SHARE * max(total, 1):
        return [f"{network} bytes crossed the network while {total} went through shared memory"]
    return []


def with_left_behind(summary: Summary, left_behind: tuple[str, ...] | None) -> Summary:
    """The summary after everything was taken down; anything left is a finding. None: nobody
    looked, for the testbed stays up.
    """
    found = (*summary.findings, *(f"left behind: {thing}" for thing in left_behind or ()))
    return summary.model_copy(
        update={
            "left_behind": left_behind,
            "findings": found,
            "verdict": "fail" if found else "pass",
        }
    )
