"""Which process runs a guest, and so how long a stay of it lasts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import TestbedError
from harness.events import EventLog
from harness.guests import place
from harness.guests.guest import Guest
from harness.guests.place import Place
from harness.hosts.fake import FakeHost
from harness.hosts.lab.identity import ProcessIdentity
from harness.run import Completed
from tests.unit.local_host import LocalHost


class Machine:
    """A host whose libvirtd runs g1 as number 3, and is asked for its process."""

    def __init__(self) -> None:
        self.pid, self.start, self.troubled = 70, 9000, False
        self.host = FakeHost("h1", self._answer)

    def _answer(self, argv: Sequence[str], _input: str | None) -> Completed:
        fields = " ".join(["0"] * 18)
        stat = f"{self.pid} (CPU 0/(TCG) x) S {fields} {self.start} 0 0\n" if self.pid else ""
        return Completed(tuple(argv), int(self.troubled), stat, "")

    def libvirtd(self) -> Place:
        """One that was started just now."""
        connection: Any = None
        return Place(self.host, connection)


def stay(there: Place, number: int = 3) -> str:
    domain: Any = SimpleNamespace(number=number)
    return Guest("g1", 3, domain, there, EventLog()).stay


def test_a_restore_is_another_stay_also_where_libvirts_number_is_the_same() -> None:
    machine = Machine()
    before = stay(machine.libvirtd())
    machine.pid, machine.start = 71, 9500
    assert stay(machine.libvirtd()) != before
    machine.pid = 70
    assert stay(machine.libvirtd()) != before, "pids come again, too"


def test_a_stay_outlives_libvirtd() -> None:
    machine = Machine()
    assert stay(machine.libvirtd()) == stay(machine.libvirtd()) == "h1/3/70-9000"


def test_a_host_is_asked_once_for_each_stay() -> None:
    machine = Machine()
    there = machine.libvirtd()
    assert len({stay(there) for _ in range(3)}) == len(machine.host.calls) == 1
    machine.pid = 71
    assert stay(there, 4) == "h1/4/71-9000"


def test_what_has_no_process_yet_is_asked_for_again() -> None:
    machine = Machine()
    there, machine.pid = machine.libvirtd(), 0
    assert stay(there) == "h1/3/"
    machine.pid = 70
    assert stay(there) == "h1/3/70-9000"


def test_a_host_that_cannot_tell_makes_no_other_stay() -> None:
    machine = Machine()
    machine.pid, machine.troubled = 0, True
    with pytest.raises(TestbedError):
        stay(machine.libvirtd())


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_process_is_found_by_the_file_of_its_pid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(place, "PIDS", str(tmp_path))
    (tmp_path / "g1.pid").write_text(f"{os.getpid()}{end}")
    connection: Any = None
    here, own = Place(LocalHost("h1"), connection), ProcessIdentity.of(os.getpid())
    assert own is not None
    assert here.process_of("g1", 3) == f"{own.pid}-{own.start_time}"
    assert here.process_of("g2", 4) == "", "it has no such file"
