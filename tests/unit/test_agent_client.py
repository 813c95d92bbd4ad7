"""The RPC client against an agent that answers, refuses, babbles and stays silent."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.agent import client as module
from harness.agent.answers import AgentBabbles, Answer, Count, Hello, Link, Links, OpenStreams
from harness.agent.client import AgentClient, AgentRefused
from harness.agent.fake import FakeTransport
from harness.errors import ConnectionLost, DeadlineExceeded, TestbedError


def client(**handlers: object) -> tuple[AgentClient, FakeTransport]:
    transport = FakeTransport(handlers)  # type: ignore[arg-type]
    return AgentClient(lambda: transport, "g1"), transport


def test_an_answer_reaches_its_request() -> None:
    agent, transport = client(ping=lambda _: {"pong": 1})
    assert agent.call("ping", within=1)["pong"] == 1
    assert [request["op"] for request in transport.requests] == ["hello", "ping"]


def test_noise_and_events_before_the_answer_are_sorted_out() -> None:
    events: list[dict[str, object]] = []
    transport = FakeTransport({"ping": lambda _: {}})
    transport.inbox += (
        b'{"half": \n\xff\xfe\n[1,2]\n{"event":"path","path":"tcp"}\n{"id":77,"ok":true}\n'
    )
    agent = AgentClient(lambda: transport, "g1", events.append)
    assert agent.call("ping")["ok"]
    assert events == [{"event": "path", "path": "tcp"}]


def test_a_refusal_keeps_the_agents_word() -> None:
    agent, _ = client(
        handover=lambda _: {"ok": False, "error": {"code": "aborted", "message": "x"}}
    )
    with pytest.raises(AgentRefused) as caught:
        agent.call("handover")
    assert caught.value.code == "aborted" and "g1" in str(caught.value)


def test_silence_ends_at_the_deadline() -> None:
    agent, _ = client()
    with pytest.raises(DeadlineExceeded):
        agent.call("ping", within=0.05)


def test_a_line_without_end_is_refused() -> None:
    transport = FakeTransport({})
    transport.inbox += b"x" * 64
    transport.receive = lambda *, within: b"x" * 1_000_000  # type: ignore[method-assign]
    with pytest.raises(TestbedError, match="without end"):
        AgentClient(lambda: transport, "g1").call("ping", within=1)


def test_a_port_that_someone_took_away_is_opened_again() -> None:
    class Broken(FakeTransport):
        def receive(self, *, within: float) -> bytes:
            raise ConnectionLost("taken away")

    transports = [Broken({"ping": lambda _: {}}), FakeTransport({"ping": lambda _: {}})]
    left = iter(transports)
    agent = AgentClient(lambda: next(left), "g1")
    assert agent.call("ping", within=1)["ok"]
    assert transports[0].closed


def test_a_port_that_stays_broken_is_told() -> None:
    class Broken(FakeTransport):
        def receive(self, *, within: float) -> bytes:
            raise ConnectionLost("taken away")

    with pytest.raises(ConnectionLost):
        AgentClient(lambda: Broken({}), "g1").call("ping", within=1)


@pytest.mark.parametrize("said", [{}, {"epoch": "x"}, {"epoch": -1}, {"epoch": [1]}])
def test_an_answer_amiss_is_our_error_not_a_traceback(said: dict[str, object]) -> None:
    class Strict(Answer):
        epoch: Count

    agent, _ = client(links=lambda _: dict(said))
    with pytest.raises(TestbedError, match="makes no sense"):
        agent.ask(Strict, "links")


def test_brackets_without_end_are_noise() -> None:
    agent, transport = client(ping=lambda _: {})
    transport.inbox += b"[" * 100_000 + b"\n"
    transport.receive = lambda *, within: _all_of(transport)  # type: ignore[method-assign]
    assert agent.call("ping", within=5)["ok"]


def test_what_the_client_before_us_left_is_not_for_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.05)
    agent, transport = client(ping=lambda _: {"fresh": True})
    stale = [json.dumps({"id": n, "ok": True, "fresh": False}) for n in range(1, 50)]
    transport.inbox += ("\n".join(stale) + '\n{"id": 1, "ok"').encode()
    assert agent.call("ping", within=5)["fresh"] is True


def test_each_request_begins_a_line_of_its_own() -> None:
    sent = bytearray()
    agent, transport = client(ping=lambda _: {})
    serve = transport.send

    def send(data: bytes, *, within: float) -> None:
        sent.extend(data)
        serve(data, within=within)

    transport.send = send  # type: ignore[method-assign]
    agent.call("ping")
    assert sent.startswith(b"\n{") and sent.count(b"\n\n") == 1


def test_an_agent_busy_with_the_first_asking_is_asked_until_it_is_done() -> None:
    class Lost(FakeTransport):
        def receive(self, *, within: float) -> bytes:
            if any(request["op"] == "handover" for request in self.requests):
                raise ConnectionLost("taken away")
            return super().receive(within=within)

    answers = [{"ok": False, "error": {"code": "busy", "message": "try again"}}] * 2 + [
        {"epoch": 3}
    ]
    left = iter([Lost({}), FakeTransport({"handover": lambda _: answers.pop(0)})])
    agent = AgentClient(lambda: next(left), "g1")
    assert agent.call("handover", within=2)["epoch"] == 3


def test_an_agent_that_is_simply_busy_is_not_pressed() -> None:
    agent, transport = client(
        handover=lambda _: {"ok": False, "error": {"code": "busy", "message": "no"}}
    )
    with pytest.raises(AgentRefused):
        agent.call("handover")
    assert len(transport.requests) == 2


def test_threads_take_turns() -> None:
    company = threading.Barrier(2, timeout=0.01)

    def alone(_: dict[str, object]) -> dict[str, object]:
        with pytest.raises(threading.BrokenBarrierError):
            company.wait()
        company.reset()
        return {}

    agent, _ = client(ping=alone)
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda _: agent.call("ping")["ok"], range(8)))


LINK = {"peer": "g2", "state": "up", "path": "shm", "phase": "idle", "epoch": 1}
STREAM = {"peer": "g2", "name": "s", "role": "opener", "path": "tcp", "sent": 1, "received": 1}


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (Links, {}),
        (Links, {"links": {}}),
        (Links, {"links": [[]]}),
        (Links, {"links": [{**LINK, "epoch": "1"}]}),
        (Links, {"links": [{**LINK, "epoch": 1 << 64}]}),
        (Links, {"links": [{**LINK, "path": "moon"}]}),
        (Links, {"links": [{**LINK, "phase": None}]}),
        (OpenStreams, {"streams": [{**STREAM, "name": "\x1b[2J"}]}),
        (OpenStreams, {"streams": [{**STREAM, "longest_stall_ms": float("nan")}]}),
        (Hello, {"name": "g1", "version": "x" * 1000, "monotonic_ns": 1}),
        (Hello, {"name": "g1", "version": "1", "monotonic_ns": True}),
    ],
)
def test_every_answer_is_checked(shape: type[Answer], said: dict[str, object]) -> None:
    agent, _ = client(op=lambda _: dict(said))
    with pytest.raises(AgentBabbles, match="makes no sense"):
        agent.ask(shape, "op")


def test_good_answers_pass() -> None:
    agent, _ = client(links=lambda _: {"links": [LINK]}, streams=lambda _: {"streams": [STREAM]})
    assert agent.ask(Links, "links").links == [Link(**LINK)]  # type: ignore[arg-type]
    assert agent.ask(OpenStreams, "streams").streams[0].name == "s"


@pytest.mark.parametrize("error", [None, "no", {"code": 3, "message": "x"}, {"code": "busy"}])
def test_a_refusal_without_shape_is_babble(error: object) -> None:
    agent, _ = client(ping=lambda _: {"ok": False, "error": error})
    with pytest.raises(AgentBabbles):
        agent.call("ping")


def _all_of(transport: FakeTransport) -> bytes:
    piece, transport.inbox = bytes(transport.inbox), bytearray()
    return piece
