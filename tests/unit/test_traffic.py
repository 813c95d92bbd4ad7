"""Streams: command lines, reports and the judgement, without a guest."""

import json

import pytest

from harness.errors import TestbedError
from harness.events import EventLog
from harness.run import Completed
from harness.traffic import oracle
from harness.traffic.oracle import parse_report
from harness.traffic.traffic import StreamPlan, Traffic, judge, plain_plan


class Named:
    def __init__(self, name: str, domain_id: int) -> None:
        self.name, self.domain_id = name, domain_id


G1, G2 = Named("g1", 3), Named("g2", 4)


def line(ns: int, sent: int, verified: int, receive: float = 1.0, send: float = 2.0) -> str:
    return json.dumps(
        {
            "monotonic_ns": ns,
            "sent": sent,
            "verified": verified,
            "ended": False,
            "receive_stall_ms": receive,
            "send_stall_ms": send,
        }
    )


def final(sent: int, verified: int, **counts: object) -> str:
    good = {"lost": 0, "duplicated": 0, "reordered": 0, "corrupted": 0, "eof": True}
    record = {"final": True, "bytes_sent": sent, "bytes_verified": verified, **good, **counts}
    return json.dumps(record)


def plans() -> list[StreamPlan]:
    return [StreamPlan("s1", "unix", G2, G1, (11, 22))]  # type: ignore[arg-type]


def verdicts(client: str, server: str) -> list[bool]:
    reports = {("g1", "s1"): parse_report(client), ("g2", "s1"): parse_report(server)}
    return [stream.clean for stream in judge(plans(), reports, "g2")]


def test_the_seeds_are_crossed() -> None:
    [item] = plans()
    assert item.server_argv[1:5] == ["--send-seed", "11", "--expect-seed", "22"]
    assert item.client_argv[1:5] == ["--send-seed", "22", "--expect-seed", "11"]
    assert item.server_argv[-2:] == ["--listen", "/run/domsock/self/s1"]
    assert item.client_argv[-2:] == ["--connect", "/run/domsock/g2/s1"]


def test_netcat_is_the_program_and_tcp_is_paced() -> None:
    netcat = oracle.connect_argv("netcat", "s3", (1, 2), "g2")
    assert netcat[-5:] == ["--", "nc", "-N", "-U", "/run/domsock/g2/s3"]
    probe = oracle.connect_argv("tcp", "probe", (1, 2), "10.99.0.4")
    assert "--pace" in probe and probe[-2:] == ["--tcp-connect", "10.99.0.4:9000"]


def test_a_report_is_cut_by_time() -> None:
    text = "\n".join([line(0, 0, 0, 99), line(10, 5, 1), line(20, 9, 4, 7.0), line(30, 50, 50, 80)])
    moved, stall = parse_report(text).between(5, 25)
    assert (moved, stall) == (7, 7.0)


def test_a_half_line_at_the_end_is_skipped() -> None:
    assert len(parse_report(line(0, 0, 0) + '\n{"monoto').samples) == 1


def test_both_directions_are_judged() -> None:
    assert verdicts(final(10, 20), final(20, 10)) == [True, True]


def test_bytes_that_never_arrived_are_lost_even_if_the_checker_saw_no_error() -> None:
    assert verdicts(final(10, 20), final(20, 9)) == [False, True]


def test_an_end_that_never_finished_is_not_clean() -> None:
    assert verdicts(final(10, 20), line(0, 5, 5)) == [False, False]


def test_a_stream_that_broke_is_not_clean() -> None:
    assert verdicts(final(10, 20), final(20, 10, eof=False)) == [False, True]


def test_stalls_are_those_of_the_guest_that_does_not_move() -> None:
    client = final(10, 20, longest_send_stall_ms=1, longest_receive_stall_ms=2)
    server = final(20, 10, longest_send_stall_ms=30, longest_receive_stall_ms=40)
    reports = {("g1", "s1"): parse_report(client), ("g2", "s1"): parse_report(server)}
    assert [s.longest_stall_ms for s in judge(plans(), reports, "g2")] == [40, 30]


@pytest.mark.parametrize(
    "noise",
    [
        "[]",
        "null",
        "[" * 100_000,
        '{"final": true}',
        line(5, 5, 5).replace('"sent": 5', '"sent": 1e999'),
        line(5, 5, 5).replace('"sent": 5', '"sent": -5'),
        line(5, 5, 5).replace('"verified": 5', '"verified": "5"'),
        line(5, 5, 5).replace('"send_stall_ms": 2.0', '"send_stall_ms": NaN'),
        final(10, 20, lost="0"),
        final(10, 20, eof="yes"),
        final(10, 20, corrupted=None),
    ],
)
def test_a_line_that_makes_no_sense_is_skipped(noise: str) -> None:
    report = parse_report(f"{line(0, 0, 0)}\n{noise}\n{line(9, 9, 9)}")
    assert [sample.sent for sample in report.samples] == [0, 9] and report.final == {}
    assert verdicts(noise, final(20, 10)) == [False, False]


class Reluctant(Named):
    """A guest that starts two programs and no more, and notes what is run in it."""

    def __init__(self, name: str, domain_id: int) -> None:
        super().__init__(name, domain_id)
        self.ran: list[list[str]] = []
        self.started = 0

    def exec(self, argv: list[str], *, check: bool = True) -> Completed:
        self.ran.append(argv)
        return Completed(tuple(argv), 0, "", "")

    def start(self, argv: list[str]) -> int:
        self.started += 1
        if self.started > 1:
            raise TestbedError("no room")
        return 100 + self.domain_id


def test_programs_of_traffic_that_did_not_start_are_killed() -> None:
    g1, g2 = Reluctant("g1", 3), Reluctant("g2", 4)
    plans_ = plain_plan("t1", g1, g2, seed=1, count=2)  # type: ignore[arg-type]
    traffic = Traffic(g1, g2, 1, EventLog(), plans_)  # type: ignore[arg-type]
    with pytest.raises(TestbedError, match="no room"):
        traffic.start()
    traffic.abandon()
    assert (g1.ran[-1], g2.ran[-1]) == (["kill", "-KILL", "103"], ["kill", "-KILL", "104"])


def test_plain_streams_are_served_by_each_in_turn_under_names_of_their_own() -> None:
    made = plain_plan("t1", G1, G2, seed=1, count=3)  # type: ignore[arg-type]
    assert [(p.name, p.server.name, p.kind) for p in made] == [
        ("t1-0", "g1", "unix"),
        ("t1-1", "g2", "unix"),
        ("t1-2", "g1", "unix"),
    ]
    assert len({seed for plan in made for seed in plan.seeds}) == 6
    assert made == plain_plan("t1", G1, G2, seed=1, count=3)  # type: ignore[arg-type]
