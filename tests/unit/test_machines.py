"""Real machines: what is refused before anything is made, and what a sweep takes and leaves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.errors import TestbedError, UsageError
from harness.events import EventLog
from harness.hosts.fake import FakeHost
from harness.model.inventory import Inventory, Machine
from harness.model.topology import lab_topology
from harness.run import Completed
from harness.testbed import host_logs, machines, readiness, record
from harness.testbed.claim import Claim
from harness.testbed.record import TestbedRecord

INVENTORY = Inventory(hosts={"h1": Machine(address="10.0.0.1"), "h2": Machine(address="10.0.0.2")})
MIB = 1 << 20


def answering(**answers: str) -> FakeHost:
    """A host that answers each program as told; exit code 1 for an answer that starts with !."""

    def answer(argv: Sequence[str], _input: str | None) -> Completed | None:
        text = answers.get(argv[0], "")
        return Completed(tuple(argv), int(text.startswith("!")), text, text.lstrip("!"))

    return FakeHost("h1", answer)


def test_who_cannot_be_root_is_told_why() -> None:
    with pytest.raises(UsageError, match=r"cannot be root on h1: sudo: a password is required"):
        readiness.reach([answering(id="!sudo: a password is required")])
    with pytest.raises(UsageError, match="`id -u` says 1000"):
        host = answering(id="1000")
        host._answer = lambda argv, _: Completed(tuple(argv), 0, "1000\n", "")
        readiness.reach([host])


def test_a_host_without_our_agent_is_told_to_be_provisioned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "domsock"
    tool.write_text("program")
    monkeypatch.setattr(readiness, "OUR_TOOL", tool)
    with pytest.raises(UsageError, match="h1 is no host yet"):
        readiness.check_provisioned(answering())
    with pytest.raises(UsageError, match="another version"):
        readiness.check_provisioned(answering(sha256sum="123  domsock"))


def test_room_is_that_of_the_host() -> None:
    host = answering(sh=f"Avail\n{64 * MIB}\nMemAvailable: {1 << 20} kB\n")
    assert readiness.room(host) == (64 * MIB, 1 << 30)
    with pytest.raises(UsageError, match=r"h1 has 16 MiB of /dev/shm, and needs 32 MiB"):
        poor = answering(sh=f"Avail\n{16 * MIB}\nMemAvailable: {1 << 20} kB\n")
        readiness._check_room(poor, lab_topology())


class Site:
    """Hosts with claims on them, of which `attended` are worked on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.claims: dict[str, list[Claim]] = {"h1": [], "h2": []}
        self.attended: list[str] = []
        self.ended: list[tuple[str, list[str]]] = []
        self.regions: dict[str, str] = {}
        monkeypatch.setattr(machines, "hosts_of", lambda _inventory: self.hosts)
        monkeypatch.setattr(machines, "found_on", lambda host: self.claims[host.name])
        monkeypatch.setattr(machines, "end", self.end)
        monkeypatch.setattr(Claim, "attended", lambda claim, _: claim.testbed_id in self.attended)

    @property
    def hosts(self) -> list[Any]:
        return [FakeHost(name, self.answer(name)) for name in self.claims]

    def answer(self, name: str) -> Any:
        return lambda argv, _: Completed(tuple(argv), 0, self.regions.get(name, ""), "")

    def end(self, testbed_id: str, hosts: list[Any], _events: EventLog) -> None:
        self.ended.append((testbed_id, [host.name for host in hosts]))

    def sweep(self, *ending: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        report = machines.sweep(INVENTORY, ending, EventLog())
        return report.swept, report.left


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Site:
    monkeypatch.setenv("TESTBED_STATE", str(tmp_path))
    return Site(monkeypatch)


def claim(state: Any = "starting") -> Claim:
    return Claim.of(TestbedRecord.new(lab_topology(), "digest"), state)


@pytest.mark.parametrize("state", ["starting", "ending"])
def test_what_nobody_works_on_is_swept_where_it_is(site: Site, state: str) -> None:
    left_behind = claim(state)
    site.claims["h2"] = [left_behind]
    [swept], left = site.sweep()
    assert left_behind.testbed_id in swept and left == ()
    assert site.ended == [(left_behind.testbed_id, ["h2"])]


def test_what_somebody_works_on_is_left(site: Site) -> None:
    busy = claim()
    site.claims = {"h1": [busy], "h2": [busy]}
    site.attended = [busy.testbed_id]
    swept, [left] = site.sweep(busy.testbed_id)  # not even when it is asked for
    assert swept == () and "a command is working on it" in left and site.ended == []


def test_what_is_up_is_left_unless_asked_for(site: Site) -> None:
    standing = claim("up")
    site.claims = {"h1": [standing], "h2": [standing]}
    swept, [left] = site.sweep()
    assert swept == () and f"gc --end {standing.testbed_id}" in left and site.ended == []
    [swept_now], left_now = site.sweep(standing.testbed_id)
    assert standing.testbed_id in swept_now and left_now == ()
    assert site.ended == [(standing.testbed_id, ["h1", "h2"])]


def test_a_testbed_that_stands_on_one_host_only_never_stood(site: Site) -> None:
    half = claim("up")
    site.claims = {"h1": [half], "h2": [half.model_copy(update={"state": "starting"})]}
    assert len(site.sweep()[0]) == 1


def test_a_region_without_a_claim_is_told_and_left(site: Site) -> None:
    site.regions["h1"] = "domsock.who-1.g1.g2.1\nother\n"
    swept, [left] = site.sweep()
    assert swept == () and "domsock.who-1.g1.g2.1 on h1: no owner's record" in left


def test_what_cannot_be_swept_is_said(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise TestbedError("libvirtd of h1 does not answer")

    monkeypatch.setattr(machines, "end", fails)
    site.claims["h1"] = [claim()]
    swept, [left] = site.sweep("nobody-1")[0], site.sweep()[1]
    assert swept == () and "cannot be swept: libvirtd of h1" in left
    assert "nobody-1: no host carries it" in site.sweep("nobody-1")[1]


def test_a_record_of_ours_goes_with_what_was_swept(site: Site) -> None:
    made = TestbedRecord.new(lab_topology(), "digest", INVENTORY)
    made.write()
    site.claims["h1"] = [Claim.of(made)]
    site.sweep()
    assert record.read("lab") is None


def test_only_the_testbeds_own_logs_are_saved(tmp_path: Path) -> None:
    console = "/var/log/libvirt/qemu/g1-console.log"
    host = answering(find=console)
    host.files[console] = (b"panic", 0o600)
    host_logs.save([host], ["g1"], tmp_path, EventLog())
    assert (tmp_path / "hosts/h1/g1-console.log").read_text() == "panic"
    asked = [word for word in host.calls[0] if word.startswith("/")]
    assert "/var/log/libvirt/qemu/g1.log" in asked
    assert all("*" not in word and not word.endswith("/libvirt") for word in asked)


def test_logs_that_cannot_be_had_are_no_failure(tmp_path: Path) -> None:
    host, events = answering(), EventLog()
    host.reachable = False
    host_logs.save([host], ["g1"], tmp_path, events)
    assert [event.name for event in events.events] == ["evidence.missing"]


class Attending:
    """Stands in for the lock on the hosts."""

    def __init__(self, *_: Any) -> None:
        return

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: Any) -> None:
        return None


def test_a_host_that_is_taken_costs_the_others_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is another's: the first is given back, and the second is not touched."""
    destroyed: list[str] = []
    forgotten: list[str] = []

    def write(_claim: Claim, host: Any) -> None:
        if host.name == "h2":
            raise UsageError("h2 carries a testbed already")

    monkeypatch.setattr(readiness, "check", lambda *_: None)
    monkeypatch.setattr(machines, "attending", Attending)
    monkeypatch.setattr(Claim, "write", write)
    monkeypatch.setattr(Claim, "forget", lambda _claim, host: forgotten.append(host.name))
    monkeypatch.setattr(
        machines, "destroy", lambda _c, hosts, _e: destroyed.extend(h.name for h in hosts)
    )
    made = TestbedRecord.new(lab_topology(), "digest", INVENTORY)
    image: Any = None
    monkeypatch.setattr(machines, "find_parts", lambda *_: {})
    with pytest.raises(UsageError, match="h2 carries"):
        machines.bring_up(made, site.hosts, image, EventLog(), lambda: destroyed.append("saved"))
    assert (destroyed, forgotten, record.read("lab")) == (["h1"], ["h2"], None)


def test_a_failure_is_told_even_when_the_hosts_cannot_be_swept(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made stays known, so that gc can try again."""

    def fails(what: str) -> Any:
        def action(*_: Any) -> None:
            raise TestbedError(what)

        return action

    monkeypatch.setattr(readiness, "check", lambda *_: None)
    monkeypatch.setattr(machines, "attending", Attending)
    monkeypatch.setattr(Claim, "write", lambda *_: None)
    monkeypatch.setattr(machines, "apply", fails("g1 did not boot"))
    monkeypatch.setattr(machines, "destroy", fails("h1 does not answer"))
    monkeypatch.setattr(machines, "find_parts", lambda *_: {})
    made, events, image = TestbedRecord.new(lab_topology(), "d", INVENTORY), EventLog(), None
    with pytest.raises(TestbedError, match="g1 did not boot"):
        machines.bring_up(made, site.hosts, image, events, lambda: None)  # type: ignore[arg-type]
    [told] = [event for event in events.events if event.name == "cleanup.failed"]
    assert "h1 does not answer" in told.fields["error"] and record.read("lab") == made
