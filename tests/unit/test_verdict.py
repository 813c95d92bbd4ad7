"""The verdict: each broken promise is found, and nothing else is."""

import pytest

from harness.demo import verdict
from harness.demo.junit import junit
from harness.model.result import Path, Phase, Stream, Summary


def phase(name: str, path: Path, moved: int = 1_000_000, network: int = 100) -> Phase:
    return Phase(
        name=name,
        path=path,
        seconds=1.0,
        bytes=moved,
        longest_stall_ms=10.0,
        probe_stall_ms=10.0,
        downtime_ms=None,
        network_bytes=network,
    )


def stream(**changes: object) -> Stream:
    good = {
        "name": "s1",
        "from": "g1",
        "to": "g2",
        "bytes_sent": 10,
        "bytes_verified": 10,
        "lost": 0,
        "duplicated": 0,
        "reordered": 0,
        "corrupted": 0,
        "longest_stall_ms": 1.0,
        "clean": True,
    }
    return Stream.model_validate({**good, **changes})


PHASES = (
    phase("together", "shm"),
    phase("moving away", "none", 0),
    phase("apart", "tcp", network=2_000_000),
    phase("moving back", "none", 0),
    phase("together again", "shm"),
)


def test_a_run_that_kept_every_promise_has_no_findings() -> None:
    assert verdict.findings(PHASES, [stream()], {"g1": "testbed: ready g1"}) == []
    assert verdict.sequence(PHASES) == ("shm", "tcp", "shm")


def test_a_lost_byte_is_found() -> None:
    [found] = verdict.findings(PHASES, [stream(lost=1, clean=False)], {})
    assert "1 lost" in found and "g1→g2" in found


def test_a_stream_that_never_came_back_is_found() -> None:
    [found] = verdict.findings(PHASES[:3], [stream()], {})
    assert "shm → tcp, not shm → tcp → shm" in found


def test_a_phase_without_bytes_is_found() -> None:
    silent = (phase("together", "shm", moved=0, network=0), *PHASES[1:])
    assert "no byte moved while together" in verdict.findings(silent, [stream()], {})


def test_shared_memory_that_used_the_network_is_found() -> None:
    leaky = (phase("together", "shm", network=50_000), *PHASES[1:])
    [found] = verdict.findings(leaky, [stream()], {})
    assert "crossed the network" in found


@pytest.mark.parametrize(
    ("line", "alarm"),
    [
        ("[ 1.0] Kernel panic - not syncing", "Kernel panic"),
        ("[ 7.1] kernel BUG at mm/slub.c:419!", "kernel BUG at"),
        ("[159.7] virtio_net virtio0: input.0:id 39 is not a head!", "is not a head!"),
    ],
)
def test_an_alarm_on_the_console_is_found(line: str, alarm: str) -> None:
    [found] = verdict.findings(PHASES, [stream()], {"g2": line})
    assert found == f"g2's console says {alarm!r}"


def test_what_is_left_behind_turns_a_pass_into_a_fail() -> None:
    summary = Summary.broken("testbed demo", "r", 1, "c", "x").model_copy(
        update={"findings": (), "verdict": "pass"}
    )
    assert verdict.with_left_behind(summary, ()).verdict == "pass"
    failed = verdict.with_left_behind(summary, ("process 7 qemu",))
    assert failed.verdict == "fail" and failed.left_behind == ("process 7 qemu",)


def test_the_junit_report_counts_failures() -> None:
    summary = Summary.broken("testbed demo", "r", 1, "c", "it broke")
    suite = junit(summary.model_copy(update={"streams": (stream(clean=False), stream())}))
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")


def test_of_a_run_that_ended_early_only_damage_is_told() -> None:
    unfinished = stream(bytes_sent=0, bytes_verified=0, clean=False)
    assert verdict.damage([unfinished, stream()]) == []
    [found] = verdict.damage([stream(corrupted=3, clean=False)])
    assert "3 corrupted" in found
