"""Changing the path under open streams."""

from __future__ import annotations

import threading

import pytest
from agents import Pair, Refused, wait_until
from programs import both_ways, open_streams


def test_fifty_handovers_under_load(pair: Pair) -> None:
    flows = both_ways(open_streams(pair, 8))
    for turn in range(30):
        pair.attach(pair.make_region())
        by = pair.g2 if turn % 2 else pair.g1
        answer = pair.hand_over("shm", by)
        assert answer["from"], answer["to"] == ("tcp", "shm")
        moved = [flow.checked for flow in flows]
        wait_until(
            lambda m=moved: all(f.checked > before for f, before in zip(flows, m, strict=True)),
            "all flows move on shm",
        )
        pair.hand_over("tcp", by)
        assert not any(flow.fault for flow in flows)
    assert pair.g1.link()["epoch"] == pair.g2.link()["epoch"] == 60
    for flow in flows:
        flow.finish()
    wait_until(lambda: not pair.g1.streams() + pair.g2.streams(), "all streams are closed")


def test_both_sides_start_at_once(pair: Pair) -> None:
    flows = both_ways(open_streams(pair, 4))
    for _ in range(10):
        pair.attach(pair.make_region())
        for to in ("shm", "tcp"):
            one = pair.g1.channel.send("handover", peer="g2", to=to, deadline_ms=10000)
            two = pair.g2.channel.send("handover", peer="g1", to=to, deadline_ms=10000)
            assert pair.g1.channel.result(one)["to"] == to
            assert pair.g2.channel.result(two)["to"] == to
    for flow in flows:
        flow.finish()


def test_no_deadlock_when_nobody_reads(pair: Pair) -> None:
    ends = open_streams(pair, 4)
    for end in [end for both in ends for end in both]:
        end.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                end.send(b"x" * 65536)
    pair.attach(pair.make_region())
    pair.hand_over("shm")
    answer = pair.hand_over("tcp")
    assert answer["duration_us"] < 2_000_000


def test_streams_open_and_close_during_handovers(pair: Pair) -> None:
    stop = threading.Event()
    opened = 0

    def churn() -> None:
        nonlocal opened
        while not stop.is_set():
            ((client, server),) = open_streams(pair, 1)
            client.sendall(b"ping")
            assert server.recv(10) == b"ping"
            server.close()
            assert client.recv(1) == b""
            opened += 1

    thread = threading.Thread(target=churn)
    thread.start()
    for _ in range(15):
        pair.attach(pair.make_region())
        pair.hand_over("shm")
        count = opened
        wait_until(lambda c=count: opened > c, "a stream was opened on shm")
        pair.hand_over("tcp")
    stop.set()
    thread.join()
    assert opened >= 15


def test_already_there(pair: Pair) -> None:
    assert pair.hand_over("tcp")["already"] is True
    pair.attach(pair.make_region())
    pair.hand_over("shm")
    assert pair.hand_over("shm", pair.g2)["already"] is True


def test_no_region_is_refused_with_the_next_step(pair: Pair) -> None:
    with pytest.raises(Refused, match=r"no-region.*use region\.attach first"):
        pair.hand_over("shm")


def test_a_region_attached_on_one_side_only(pair: Pair) -> None:
    path, nonce = pair.make_region()
    pair.g1.call("region.attach", peer="g2", nonce=nonce, file=str(path))
    with pytest.raises(Refused, match=r"aborted.*no region is attached here"):
        pair.hand_over("shm")
    assert pair.g1.link()["path"] == pair.g2.link()["path"] == "tcp"


def test_different_regions_are_noticed(pair: Pair) -> None:
    for agent, peer in ((pair.g1, "g2"), (pair.g2, "g1")):
        path, nonce = pair.make_region()
        agent.call("region.attach", peer=peer, nonce=nonce, file=str(path))
    with pytest.raises(Refused, match=r"aborted.*another region"):
        pair.hand_over("shm")


@pytest.mark.parametrize("to", ["shm", "tcp"])
def test_a_deadline_rolls_back(pair: Pair, to: str) -> None:
    flows = both_ways(open_streams(pair, 4))
    pair.attach(pair.make_region())
    if to == "tcp":
        pair.hand_over("shm")
    pair.proxy.stall(True)
    with pytest.raises(Refused, match=r"aborted.*deadline"):
        pair.hand_over(to, deadline_ms=300)
    if to == "tcp":  # they never left shm: they flow while the connection is stalled
        moved = [flow.checked for flow in flows]
        wait_until(
            lambda: all(f.checked > before for f, before in zip(flows, moved, strict=True)),
            "all flows move",
        )
    pair.proxy.stall(False)
    assert pair.hand_over(to)["to"] == to
    for flow in flows:
        flow.finish()


@pytest.mark.parametrize("path", ["tcp", "shm"])
def test_cut_connections_lose_nothing(pair: Pair, path: str) -> None:
    flows = both_ways(open_streams(pair, 8))
    if path == "shm":
        pair.attach(pair.make_region())
        pair.hand_over("shm")
    for _ in range(10):
        moved = [flow.checked for flow in flows]
        pair.proxy.cut()
        wait_until(
            lambda m=moved: all(f.checked > before for f, before in zip(flows, m, strict=True)),
            "all flows move again",
        )
    assert pair.g1.link()["path"] == path
    for flow in flows:
        flow.finish()


def test_cuts_in_the_middle_of_handovers(pair: Pair) -> None:
    flows = both_ways(open_streams(pair, 8))
    outcomes: dict[str, int] = {}
    for turn in range(40):
        to = "tcp" if pair.g1.link()["path"] == "shm" else "shm"
        if to == "shm":
            pair.attach(pair.make_region())
        request = pair.g1.channel.send("handover", peer="g2", to=to, deadline_ms=5000)
        if turn % 4:
            pair.proxy.cut()
        try:
            outcome = pair.g1.channel.result(request)["to"]
        except Refused as refused:
            outcome = refused.code
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        wait_until(
            lambda: (
                pair.g1.link()["phase"] == pair.g2.link()["phase"] == "idle"
                and pair.g1.link()["state"] == pair.g2.link()["state"] == "up"
            ),
            "the link settles",
        )
        assert pair.g1.link()["path"] == pair.g2.link()["path"]
        assert pair.g1.link()["epoch"] == pair.g2.link()["epoch"]
        assert not any(flow.fault for flow in flows), [flow.fault for flow in flows]
    assert outcomes.get("shm") and outcomes.get("tcp")
    for flow in flows:
        flow.finish()


def test_a_full_region_sends_the_rest_by_tcp(pair: Pair) -> None:
    pair.attach(pair.make_region(1 << 20))
    pair.hand_over("shm")
    ends = open_streams(pair, 4)
    paths = [stream["path"] for stream in pair.g1.streams()]
    assert sorted(set(paths)) == ["shm", "tcp"]
    flows = both_ways(ends)
    wait_until(lambda: all(flow.checked > 1 << 20 for flow in flows), "all flows move")
    pair.hand_over("tcp")
    for flow in flows:
        flow.finish()
