"""A guest: what its agent says unasked, and what is said of one that does not boot."""

from __future__ import annotations

from typing import Any

import pytest

from harness.agent.fake import FakeTransport
from harness.errors import TestbedError
from harness.events import EventLog
from harness.guests import guest as module
from harness.guests.guest import Guest
from harness.hosts.fake import FakeHost
from harness.run import Completed


class Place:
    def __init__(self, host: FakeHost) -> None:
        self.host, self.name = host, host.name


class Domain:
    where, uuid = "g1 on h1", "of g1"

    def __init__(self, transport: FakeTransport) -> None:
        self.transport = transport

    def resume(self) -> None: ...

    def open_channel(self, _name: str) -> FakeTransport:
        return self.transport


def guest(transport: FakeTransport, host: FakeHost, events: EventLog) -> Guest:
    domain: Any = Domain(transport)
    place: Any = Place(host)
    return Guest("g1", 3, domain, place, events)


def test_what_an_agent_says_unasked_poses_as_nothing_else() -> None:
    transport, events = FakeTransport({"ping": lambda _: {}}), EventLog()
    transport.inbox += b'{"event": "x", "guest": "g9", "name": "verdict", "data": 1, "at": 0}\n'
    guest(transport, FakeHost("h1"), events).agent.call("ping")
    [event] = events.events
    assert (event.name, event.fields["guest"]) == ("agent", "g1")
    assert set(event.fields) == {"guest", "said"}


def test_a_guest_that_does_not_boot_shows_the_end_of_its_console() -> None:
    host = FakeHost("h1", lambda argv, _: Completed(tuple(argv), 0, "a\x1b[2J\nKernel panic\n", ""))
    silent = FakeTransport({"hello": lambda _: {"ok": False}})
    with pytest.raises(TestbedError, match="Kernel panic") as caught:
        guest(silent, host, EventLog()).boot("build in virtio_net", within=0.05)
    assert "\x1b" not in str(caught.value) and "next: build in virtio_net" in str(caught.value)
    assert host.calls[0][:3] == ("tail", "-n", "20")


def test_a_host_that_does_not_answer_either_hides_nothing() -> None:
    host = FakeHost("h1")
    host.reachable = False
    silent = FakeTransport({"hello": lambda _: {"ok": False}})
    with pytest.raises(TestbedError, match="g1 did not boot"):
        guest(silent, host, EventLog()).boot(within=0.05)


def test_a_long_boot_tells_how_far_it_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIGN_OF_LIFE_SECONDS", 0.05)
    host = FakeHost("h1", lambda argv, _: Completed(tuple(argv), 0, "a\nStarted ssh\n\n", ""))
    silent, events = FakeTransport({}), EventLog()
    silent.handlers.clear()
    with pytest.raises(TestbedError, match=r"did not answer within 0\.2 s"):
        guest(silent, host, events).boot(within=0.2)
    told = [event.fields for event in events.events if event.name == "boot.waits"]
    assert told[0] == {"guest": "g1", "said": "Started ssh"} and len(told) >= 2


def test_a_guest_has_booted_when_it_takes_commands_and_its_services_are_started() -> None:
    asked: list[str] = []

    def command(name: str, **_: Any) -> Any:
        asked.append(name)
        if asked.count("guest-ping") < 3:
            raise TestbedError("not connected")
        return {"guest-exec": {"pid": 1}, "guest-exec-status": {"exited": True, "exitcode": 0}}.get(
            name, {}
        )

    booting = guest(FakeTransport({}), FakeHost("h1"), EventLog())
    booting.domain.guest_command = command  # type: ignore[method-assign]
    booting.boot(services=True, within=5.0)
    assert asked == ["guest-ping"] * 3 + ["guest-exec", "guest-exec-status"]
    assert booting.boot_ms is not None


def test_a_guest_that_has_ended_has_no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    gone, found = guest(FakeTransport({}), FakeHost("h1"), EventLog()), [None, object()]

    def describe() -> str:
        raise TestbedError("g1 has no description")

    gone.domain.describe = describe  # type: ignore[method-assign]
    gone.place.connection = None  # type: ignore[misc, assignment]
    monkeypatch.setattr(module.Domain, "find", lambda *_: found.pop(0))
    assert gone.regions() == {}
    with pytest.raises(TestbedError, match="no description"):
        gone.regions()
