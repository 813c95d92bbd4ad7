"""The RPC client against an agent that answers, refuses, babbles and stays silent."""

import pytest
from pydantic import NonNegativeInt

from harness.agent.answers import Answer
from harness.agent.client import AgentClient, AgentRefused
from harness.agent.fake import FakeTransport
from harness.errors import ConnectionLost, DeadlineExceeded, TestbedError


def client(**handlers: object) -> tuple[AgentClient, FakeTransport]:
    transport = FakeTransport(handlers)  # type: ignore[arg-type]
    return AgentClient(lambda: transport, "g1"), transport


def test_an_answer_reaches_its_request() -> None:
    agent, transport = client(hello=lambda _: {"name": "g1"})
    assert agent.greet(within=1)["name"] == "g1"
    assert transport.requests[0]["op"] == "hello"


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
        epoch: NonNegativeInt

    agent, _ = client(links=lambda _: dict(said))
    with pytest.raises(TestbedError, match="makes no sense"):
        agent.ask(Strict, "links")


def test_brackets_without_end_are_noise() -> None:
    agent, transport = client(ping=lambda _: {})
    transport.inbox += b"[" * 100_000 + b"\n"
    transport.receive = lambda *, within: _all_of(transport)  # type: ignore[method-assign]
    assert agent.call("ping", within=5)["ok"]


def _all_of(transport: FakeTransport) -> bytes:
    piece, transport.inbox = bytes(transport.inbox), bytearray()
    return piece
