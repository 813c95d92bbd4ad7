"""From a run's figures to a verdict on the machine."""

from __future__ import annotations

from harness.demo import fitness
from harness.model.result import Migration, Phase, Summary

MOVE = Migration(
    guest="g1", source="h1", destination="h2", total_ms=2000, call_ms=1500, downtime_ms=150,
    handover_out_ms=1, handover_back_ms=1, detach_ms=90, attach_ms=300, own_ms=100,
    bytes_in_ring_at_fence=0, bytes_resent=0,
)  # fmt: skip
PHASE = Phase(
    name="together", path="shm", seconds=2, bytes=40 << 20, longest_stall_ms=1,
    probe_stall_ms=1, downtime_ms=None, network_bytes=0,
)  # fmt: skip
BROKEN = Summary.broken("testbed selftest", "id", 0, "c", "it broke")


def test_a_whole_run_gives_every_figure() -> None:
    run = BROKEN.model_copy(
        update={"migrations": (MOVE,), "phases": (PHASE,), "boot_ms": {"g1": 4200.0, "g2": 1.0}}
    )
    found = {figure.name: figure for figure in fitness.figures(run, 5000)}
    assert len(found) == 7 and all(figure.good for figure in found.values())
    assert found["boot of a guest"].found == "4.2 s"
    assert found["streams on the ring, loaded"].found == "20.0 MiB/s"
    assert found["its downtime"].wanted == "≤ 2000 ms"


def test_what_is_beyond_its_limit_is_bad() -> None:
    slow = MOVE.model_copy(update={"downtime_ms": 2001.0})
    run = BROKEN.model_copy(update={"migrations": (MOVE, slow)})
    assert [f.name for f in fitness.figures(run, 199) if not f.good] == [
        "region mapping on the host", "its downtime",
    ]  # fmt: skip


def test_a_run_that_broke_has_few_figures() -> None:
    assert [figure.name for figure in fitness.figures(BROKEN, 5000)] == [
        "region mapping on the host"
    ]
