"""A connection's events: who is told, what can be waited for, and that they do not pile up."""

from __future__ import annotations

from typing import Any

import libvirt
import pytest

from harness.errors import DeadlineExceeded, GuestGone, TestbedError
from harness.virt import connection as module
from harness.virt.connection import Connection, DomainEvent, translated


class Raw:
    """A libvirtd that remembers who listens to what."""

    def __init__(self) -> None:
        self.callbacks: dict[int, Any] = {}

    def setKeepAlive(self, *_: int) -> None: ...  # noqa: N802 - libvirt's word

    def domainEventRegisterAny(self, _domain: Any, event: int, callback: Any, _: Any) -> int:  # noqa: N802
        self.callbacks[event] = callback
        return event

    def says(self, name: str, event: int, reason: int) -> None:
        lifecycle = self.callbacks[libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE]
        lifecycle(None, type("Domain", (), {"name": lambda _: name})(), event, reason, None)


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch) -> Raw:
    made = Raw()
    monkeypatch.setattr(module.loop, "ensure_running", lambda: None)
    monkeypatch.setattr(module.libvirt, "open", lambda _: made)
    monkeypatch.setattr(module.libvirt_qemu, "qemuMonitorEventRegister", lambda *_: 1)
    return made


def test_events_say_what_and_why(raw: Raw) -> None:
    heard: list[DomainEvent] = []
    Connection("test:///", "h1").tell(heard.append)
    raw.says("g1", libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_SAVED)
    raw.says("g1", libvirt.VIR_DOMAIN_EVENT_SHUTDOWN, 0)
    assert heard == [DomainEvent("g1", "stopped", "saved"), DomainEvent("g1", "shutdown", "")]


def test_old_events_are_dropped_and_marks_stay_right(
    raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_EVENTS", 3)
    made = Connection("test:///", "h1")
    for _ in range(10):
        raw.says("g1", libvirt.VIR_DOMAIN_EVENT_RESUMED, 0)
    since = made.mark()
    with pytest.raises(DeadlineExceeded):
        made.await_event(since, "g1", "resumed", within=0.01)
    raw.says("g2", libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED)
    assert made.await_event(since, "g2", "started", within=0.01).detail == "booted"
    for _ in range(5):
        raw.says("g3", libvirt.VIR_DOMAIN_EVENT_RESUMED, 0)
    with pytest.raises(DeadlineExceeded):
        made.await_event(since, "g2", "started", within=0.01)
    assert len(made._events) == 3


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (libvirt.VIR_ERR_NO_DOMAIN, GuestGone),
        (libvirt.VIR_ERR_OPERATION_FAILED, TestbedError),
    ],
)
def test_a_guest_that_libvirt_knows_no_more_is_an_error_of_its_own(
    code: int, kind: type[TestbedError]
) -> None:
    error = libvirt.libvirtError("no")
    error.err = (code, 0, "no", 0, "", None, None, 0, 0)
    with (
        pytest.raises(TestbedError, match="g1 has no state") as caught,
        translated("g1 has no state", "h1"),
    ):
        raise error
    assert type(caught.value) is kind
