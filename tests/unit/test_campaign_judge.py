"""Cases, legs and runs judged: each broken promise is found, and whose it is."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import libvirt
import pytest

from harness.campaign import resources, series, verdict
from harness.campaign.judge import Outcome, judge
from harness.campaign.spans import spans
from harness.errors import TestbedError
from harness.events import Event
from harness.model.campaign import Limits
from harness.model.campaign_plan import CaseSpec
from harness.model.campaign_result import Case, Leg
from harness.model.migration_mode import MODES
from harness.model.result import Migration, Stream
from harness.traffic.burden import End
from harness.traffic.harvest import Harvest, Patterns
from harness.traffic.lines import lines
from harness.traffic.oracle import Sample
from harness.virt.job import MigrationFailed

MIGRATION = Migration(
    guest="g1",
    source="h1",
    destination="h2",
    total_ms=900.0,
    call_ms=800.0,
    downtime_ms=120.0,
    handover_out_ms=1.0,
    handover_back_ms=0.0,
    detach_ms=10.0,
    attach_ms=0.0,
    own_ms=90.0,
    bytes_in_ring_at_fence=0,
    bytes_resent=0,
)
GOOD = Patterns(
    ram_checked=8192,
    ram_bad=0,
    ram_bad_page=0,
    disk_checked=4096,
    disk_bad=0,
    disk_bad_page=0,
    rewritten=0,
    behind=0,
    monotonic_ns=1,
)


def spec(mode: str = "precopy") -> CaseSpec:
    return CaseSpec(3, "ping-pong", MODES[mode], (("g1", "h2"),), ("h1", "h1"))


def ends(stall_ms: float = 50.0) -> list[End]:
    """Every end of every line, each having moved and stalled that long."""
    made = lines(("bulk", "slow-reader"), {"g1": 3, "g2": 4}, "domsock", 1, 100)
    samples = [Sample(1, 0, 0, 0.0, False), Sample(2, 64, 64, stall_ms, False)]
    return [
        End(line, SimpleNamespace(name=guest), samples=list(samples))  # type: ignore[arg-type]
        for line in made
        for guest in line.ends
    ]


def outcome(**changes: Any) -> Outcome:
    good: dict[str, Any] = {
        "begin_ms": 10.0,
        "end_ms": 1200.0,
        "migrations": [MIGRATION],
        "positions": ("h2", "h1"),
        "path_before": "shm",
        "path_after": "tcp",
        "looks": {"g1": Harvest(patterns=GOOD), "g2": Harvest(patterns=GOOD)},
        "ends": ends(),
    }
    return Outcome(**{**good, **changes})


def case(did: Outcome, mode: str = "precopy", **limits: Any) -> Case:
    return judge(spec(mode), did, granted=True, limits=Limits(**limits), repeat="again")


def failure(code: int, text: str = "no") -> MigrationFailed:
    return MigrationFailed("g1 did not reach h2", where="h1", why=text, code=code)


STAYED: dict[str, Any] = {"migrations": [], "positions": ("h1", "h1"), "path_after": "shm"}


def test_a_good_case_passes_with_its_figures() -> None:
    found = case(outcome())
    assert (found.verdict, found.findings) == ("pass", ())
    assert (found.downtime_libvirt_ms, found.longest_stall_ms) == (120.0, 50.0)
    assert (found.downtime_qemu_ms, found.said) == (None, "")
    known = MIGRATION.model_copy(update={"downtime_qemu_ms": 80.0})
    assert case(outcome(migrations=[MIGRATION, known])).downtime_qemu_ms == 80.0
    assert (found.ram_checked, found.disk_checked) == (16384, 8192)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"positions": ("h1", "h1")}, "not on"),
        ({"path_before": "tcp"}, "before it the streams took the path tcp, not shm"),
        ({"path_after": "shm"}, "after it the streams took the path shm, not tcp"),
        ({"error": failure(38)}, "did not reach"),
        ({"error": TestbedError("handover rolled back")}, "handover rolled back"),
        ({"looks": {"g1": Harvest()}}, "could not be checked"),
        (
            {"looks": {"g1": Harvest(patterns=GOOD.model_copy(update={"ram_bad": 1}))}},
            "1 pages of its RAM pattern",
        ),
    ],
)
def test_a_broken_promise_fails_the_case(changes: dict[str, Any], says: str) -> None:
    found = case(outcome(**changes))
    assert found.verdict == "fail" and says in " ".join(found.findings)


def test_without_patterns_none_are_missed() -> None:
    found = case(outcome(patterned=False, looks={"g1": Harvest()}))
    assert found.verdict == "pass"


def test_a_stream_that_stands_still_or_ended_fails_the_case() -> None:
    did = outcome()
    did.ends[0].samples[1] = did.ends[0].samples[0]
    did.ends[1].final = {"error": "reset by the peer"}
    found = case(did)
    assert "bulk in g1: no byte moved" in found.findings
    assert "bulk in g2 ended: reset by the peer" in found.findings


def test_limits_are_in_seconds_and_stalls_of_slow_readers_do_not_count() -> None:
    did = outcome(ends=[e for e in ends(900.0) if e.line.kind == "slow-reader"] + ends(50.0))
    assert case(did, stall_below=0.5).verdict == "pass"
    assert "the limit is 40 ms" in case(did, stall_below=0.04).findings[0]
    assert "a guest was down for 120 ms" in case(did, downtime_below=0.1).findings[0]


def test_no_clock_of_a_guest_that_moved_tells_a_stall() -> None:
    both = CaseSpec(0, "opposite", MODES["precopy"], (("g1", "h2"), ("g2", "h1")), ("h1", "h2"))
    did = outcome(positions=("h2", "h1"), path_before="tcp")
    found = judge(both, did, granted=True, limits=Limits(stall_below=0.001), repeat="")
    assert (found.verdict, found.longest_stall_ms) == ("pass", None)


def test_guests_without_a_network_have_to_be_on_relay() -> None:
    apart = replace(spec(), apart="relay")
    did = outcome(path_after="relay", ends=[e for e in ends() if e.line.kind != "probe"])
    found = judge(apart, did, granted=True, limits=Limits(), repeat="")
    assert (found.verdict, found.findings, found.path_after) == ("pass", (), "relay")
    assert (found.longest_stall_ms, found.probe_stall_ms, found.downtime_client_ms) == (
        *(50.0, None, None),
    )
    wrong = judge(apart, outcome(), granted=True, limits=Limits(), repeat="")
    assert wrong.findings == ("after it the streams took the path tcp, not relay",)


def test_a_refusal_that_was_due_is_no_failure() -> None:
    refusal = failure(libvirt.VIR_ERR_OPERATION_UNSUPPORTED)
    found = case(outcome(**STAYED, error=refusal), "parallel-tunnelled")
    assert (found.verdict, found.findings) == ("refused", ())
    assert found.said == "libvirt's tunnel is one connection; libvirt said: no"
    assert case(outcome(**STAYED), "parallel-tunnelled").verdict == "fail"
    other = failure(libvirt.VIR_ERR_OPERATION_ABORTED)
    assert "not refused" in case(outcome(**STAYED, error=other), "with-region").findings[0]


def test_an_abort_must_be_one() -> None:
    aborted = failure(libvirt.VIR_ERR_OPERATION_ABORTED)
    found = case(outcome(**STAYED, error=aborted), "abort")
    assert (found.verdict, found.said) == ("pass", "libvirt said: no")
    assert case(outcome(**STAYED, error=failure(1)), "abort").verdict == "fail"
    assert "it was not aborted" in case(outcome(**STAYED), "abort").findings[0]


def test_a_guest_that_died_on_its_way_is_what_was_tested() -> None:
    found = case(outcome(gone=["g1"], error=failure(1), migrations=[], looks={}, ends=()))
    assert found.verdict == "fail"
    assert found.findings[-1] == "g1 no longer runs on any host"


def test_a_broken_testbed_is_not_the_cases_failure() -> None:
    found = case(outcome(broken=TestbedError("g1 runs nowhere")))
    assert (found.verdict, found.findings) == ("broken", ("g1 runs nowhere",))


def stream(lost: int = 0) -> Stream:
    return Stream.model_validate(
        {
            "name": "bulk",
            "from": "g1",
            "to": "g2",
            "bytes_sent": 100,
            "bytes_verified": 100 - lost,
            "lost": lost,
            "duplicated": 0,
            "reordered": 0,
            "corrupted": 0,
            "longest_stall_ms": 1.0,
            "clean": not lost,
        }
    )


def leg(name: Any, *cases: Case, lost: int = 0) -> Leg:
    return Leg(name=name, seconds=2.0, cases=cases, streams=(stream(lost),))


FAILED = case(outcome(path_after="shm"))
PASSED = case(outcome())


def test_lost_bytes_and_growing_resources_are_findings() -> None:
    grown = resources.judge("memory", "bytes", [*range(40)], [n * 1e7 for n in range(40)])
    found = leg("grants", PASSED, lost=5).model_copy(update={"resources": (grown,)})
    first, second = verdict.findings([found], Limits())
    assert "5 lost" in first and "memory grew by" in second
    assert len(verdict.findings([found], Limits(resources="any"))) == 1


def test_the_figures_are_distributions() -> None:
    found = verdict.figures([leg("grants", PASSED, FAILED)])
    assert found["grants.migrations"] == 2 and found["grants.downtime_ms.p50"] == 120.0
    assert found["grants.bytes_lost"] == 0


def test_the_phases_are_read_off_the_events() -> None:
    def event(name: str, at: float, **fields: Any) -> Event:
        return Event(name, at, "", fields)

    found = spans(
        [
            event("part.begin", 1.0, grant="g1-g2"),
            event("handover.begin", 1.0, grant="g1-g2", to="tcp"),
            event("handover.end", 1.2, grant="g1-g2", to="tcp"),
            event("part.end", 1.5, grant="g1-g2"),
            event("migrate.begin", 1.5, guest="g1"),
            event("migrate.begin", 1.5, guest="g2"),
            event("migrate.failed", 2.0, guest="g2"),
            event("migrate.end", 2.5, guest="g1"),
            event("share.begin", 2.5, grant="g1-g2"),
            event("handover.begin", 2.75, grant="g1-g2", to="shm"),
            event("handover.end", 3.0, grant="g1-g2", to="shm"),
            event("share.end", 3.0, grant="g1-g2"),
        ],
        begun=1.0,
    )
    assert [(s.name, s.begin_ms, s.end_ms) for s in found] == [
        ("handover out", 0.0, 200.0),
        ("unplug", 200.0, 500.0),
        ("migrate", 500.0, 1500.0),
        ("migrate", 500.0, 1000.0),
        ("plug", 1500.0, 1750.0),
        ("handover back", 1750.0, 2000.0),
    ]


@pytest.mark.parametrize("path", ["tcp", "relay"])
def test_a_handover_leads_where_the_agents_say(path: str) -> None:
    begin = Event("handover.begin", 1.0, "", {"grant": "g1-g2", "to": "tcp"})
    end = Event("handover.end", 1.2, "", {"grant": "g1-g2", "to": path})
    assert [span.path for span in spans([begin, end], begun=1.0)] == [path]


def test_hosts_answers_are_summed() -> None:
    text = "libvirtd 100 7\nqemu-system-x86 2000 9\nshm 0 1\nnet 0 5\n"
    found = resources.sums([text, text])
    assert found["memory of QEMU"] == ("bytes", 4000 * 1024)
    assert found["descriptors of libvirtd"] == ("descriptors", 14)
    assert found["files in /dev/shm"] == ("files", 2)


def test_received_bytes_are_put_into_steps() -> None:
    assert series.steps([(0, 5), (249, 1), (250, 7), (9999, 2), (-3, 1)], 250, 600) == (7, 7, 2)
