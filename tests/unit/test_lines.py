"""A campaign's streams as command lines, and what is read back from a guest."""

from __future__ import annotations

import json

import pytest

from harness.model.campaign import WORKLOADS, Memory
from harness.model.result import Stream
from harness.traffic.burden import judge_direction, pattern_findings
from harness.traffic.harvest import harvest_argv, parse_harvest
from harness.traffic.lines import Line, Over, lines, patterns_argv

IDS = {"g1": 3, "g2": 4}
PATTERNS = {
    "ram_checked": 8192,
    "ram_bad": 0,
    "ram_bad_page": 0,
    "disk_checked": 4096,
    "disk_bad": 0,
    "disk_bad_page": 0,
    "rewritten": 4096,
    "behind": 0,
    "monotonic_ns": 5,
}
SAMPLE = {
    "monotonic_ns": 7,
    "sent": 64,
    "verified": 64,
    "ended": False,
    "send_stall_ms": 0.0,
    "receive_stall_ms": 1.5,
}


def made(over: Over = "domsock") -> dict[str, Line]:
    return {line.name: line for line in lines(WORKLOADS, IDS, over, 1, 100)}


def value(argv: list[str], option: str) -> str:
    return argv[argv.index(option) + 1]


def test_each_workload_is_a_line_and_the_probe_is_one_more() -> None:
    found = made()
    assert list(found) == [*WORKLOADS, "probe"]
    assert {line.server for line in found.values()} == {"g1", "g2"}


def test_seeds_cross_in_a_full_duplex_stream() -> None:
    bulk = made()["bulk"]
    assert value(bulk.server_argv, "--send-seed") == value(bulk.client_argv, "--expect-seed")
    assert value(bulk.server_argv, "--expect-seed") == value(bulk.client_argv, "--send-seed")


def test_a_slow_reader_only_reads() -> None:
    slow = made()["slow-reader"]
    assert "--send-seed" not in slow.server_argv and "--read-pace" in slow.server_argv
    assert "--expect-seed" not in slow.client_argv
    assert value(slow.server_argv, "--expect-seed") == value(slow.client_argv, "--send-seed")


def test_with_a_grant_all_but_the_probe_use_our_sockets() -> None:
    for name, line in made().items():
        ours = any("/run/domsock/" in word for word in line.client_argv)
        assert ours == (name != "probe")


def test_without_a_grant_every_line_is_plain_tcp_on_a_port_of_its_own() -> None:
    found = made("tcp")
    assert len({line.port for line in found.values()}) == len(found)
    for line in found.values():
        words = [*line.server_argv, *line.client_argv]
        assert not any("/run/domsock/" in word for word in words)
        assert any(word.endswith(f":{line.port}") for word in line.client_argv)


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert lines(WORKLOADS, IDS, "tcp", 5, 100) == lines(WORKLOADS, IDS, "tcp", 5, 100)
    assert made()["bulk"].seeds != made()["requests"].seeds


def test_without_patterns_nothing_holds_them() -> None:
    assert patterns_argv(Memory(ram=0, disk=0), 3) is None
    assert "--file" not in (patterns_argv(Memory(disk=0), 3) or [])


def test_a_harvest_is_read() -> None:
    text = "\n".join(
        [
            json.dumps(PATTERNS),
            '{"agent_kib": 1200, "agent_fds": 31}',
            '{"harvest": "/run/oracle/bulk.jsonl", "end": 200}',
            json.dumps(SAMPLE),
            '{"harvest": "/run/oracle/probe.jsonl", "end": 90}',
        ]
    )
    found = parse_harvest(text)
    assert found.patterns is not None and found.patterns.ram_checked == 8192
    assert found.agent is not None and found.agent.agent_fds == 31
    assert found.ends == {"/run/oracle/bulk.jsonl": 200, "/run/oracle/probe.jsonl": 90}
    assert found.reports["/run/oracle/bulk.jsonl"].samples[0].stall_ms == 1.5


@pytest.mark.parametrize("text", ["", "\x00", '{"harvest": 7}', '{"harvest": "x", "end": -1}\n{}'])
def test_nonsense_from_a_guest_is_left_out(text: str) -> None:
    found = parse_harvest(text)
    assert (found.reports, found.patterns, found.agent) == ({}, None, None)


def test_one_program_asks_for_what_there_is() -> None:
    assert "--patterns" not in harvest_argv({}, patterns=False)
    argv = harvest_argv({"/a b": 7}, patterns=True)
    assert "--patterns" in argv and argv[-2:] == ["/a b", "7"]


def test_wrong_pages_are_findings() -> None:
    found = parse_harvest(json.dumps({**PATTERNS, "ram_bad": 2, "ram_bad_page": 9})).patterns
    assert pattern_findings("g1", found) == [
        "g1: 2 pages of its RAM pattern are wrong, the first is page 9"
    ]
    assert pattern_findings("g1", None) == ["g1: its patterns could not be checked"]


def final(sent: int, verified: int, **more: object) -> dict[str, object]:
    return {"bytes_sent": sent, "bytes_verified": verified, "eof": True, **more}


def judged(name: str, **finals: dict[str, object]) -> Stream:
    line = made()[name]
    return judge_direction(line, *line.directions[0], finals)


def test_a_direction_is_judged_by_both_ends() -> None:
    assert judged("bulk", g1=final(100, 0), g2=final(0, 100)).clean
    short = judged("bulk", g1=final(100, 0), g2=final(0, 90))
    assert not short.clean and short.lost == 10
    assert not judged("bulk", g1={}, g2=final(0, 100)).clean


def test_requests_are_judged_by_the_one_who_asks() -> None:
    client = made()["requests"].client
    assert judged("requests", **{client: final(640, 640)}).clean
    unanswered = judged("requests", **{client: final(640, 576, lost=64)})
    assert not unanswered.clean and unanswered.lost == 64
    wrong = judged("requests", **{client: final(640, 576, corrupted=64)})
    assert (wrong.clean, wrong.lost, wrong.corrupted) == (False, 0, 64)


def test_without_a_network_there_is_no_probe() -> None:
    names = [line.name for line in lines(WORKLOADS, IDS, "domsock", 1, 100, probe=False)]
    assert names == list(WORKLOADS)
