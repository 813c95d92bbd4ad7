"""The testbeds of one pytest session, and what each test does to them. One stands at a time."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import ConnectionLost, SubjectFailed, TestbedError, UsageError
from harness.model.topology import Topology
from harness.pytest_plugin.api import Testbed
from harness.pytest_plugin.hookspecs import Running
from harness.pytest_plugin.options import Settings

EVENTS = "events.jsonl"
LETHAL = "Kernel panic"
FOLDER_CHARACTERS = 100
Start = Callable[[Topology, Path], Running]


class ConsoleAlarm(SubjectFailed, AssertionError):
    """A guest's kernel complained while the test ran."""


class TestbedSession:
    """Starts testbeds, knows which are broken, keeps evidence. `notes` are for the summary."""

    __test__ = False

    def __init__(self, settings: Settings, start: Start) -> None:
        self.settings = settings
        self.notes: list[str] = []
        self._start = start
        self._running: Running | None = None
        self._testbed: Testbed | None = None
        self._topology: Topology | None = None
        self._broken: list[tuple[Topology, str]] = []
        self._places: dict[str, str] = {}
        self._failed = False
        self._events_before = 0

    @property
    def folder(self) -> Path:
        """Where this session's evidence goes."""
        return self.settings.results / self.settings.run_id

    def open(self, topology: Topology) -> Testbed:
        """Make a testbed of that topology stand. Whatever goes wrong marks it as broken."""
        named = topology.model_copy(update={"name": f"pytest-{secrets.token_hex(3)}"})
        self._failed = False
        try:
            self._running = self._start(named, _made(self.folder / named.name))
        except TestbedError as error:
            self._broken.append((topology, str(error)))
            raise
        except OSError as error:
            self._broken.append((topology, str(error)))
            raise TestbedError("the testbed did not start", why=str(error)) from error
        standing, self._topology = self._running.standing, topology
        self._testbed = Testbed(self._running.steward, standing, self.settings.seed)
        return self._testbed

    def close(self) -> None:
        """End the testbed that stands, or keep it when that was asked for."""
        running, self._running, self._testbed = self._running, None, None
        if running is None:
            return
        wanted = self.settings.keep
        keep = wanted == "always" or (wanted == "failed" and self._failed)
        running.end(keep=keep)
        if keep:
            name = running.standing.name
            self.notes.append(
                f"kept {name}: testbed ls · testbed console -t {name} GUEST · testbed down {name}"
            )

    def broken(self, topology: Topology) -> str:
        """Why no test can run on that topology any more; empty while they can."""
        return next((why for known, why in self._broken if known is topology), "")

    def _break(self, why: str) -> None:
        if self._topology is not None and not self.broken(self._topology):
            self._broken.append((self._topology, why))

    def begin(self, test: str, consoles_matter: tuple[str, ...]) -> Testbed | None:
        """A test begins, its fixtures stand: remember where guests are, listen to consoles.

        Raises ConsoleAlarm for what consoles said since the last test: that is not this one's.
        """
        if self._testbed is None:
            return None
        self._testbed.begin(test)
        self._events_before = len(self._events())
        try:
            self._places = self._testbed.places
            self.listen(consoles_matter, "before the test")
        except ConnectionLost as error:
            self._break(str(error))
            raise
        return self._testbed

    def listen(self, alarms: tuple[str, ...], when: str) -> None:
        """Raises ConsoleAlarm with what consoles said of these since the last time."""
        if self._testbed is None:
            return
        said = self._testbed.steward.new_on_consoles()
        found = [
            (guest, "".join(filter(str.isprintable, line)).strip())
            for guest, text in said.items()
            for line in text.splitlines()
            if any(alarm in line for alarm in alarms)
        ]
        for guest, line in found:
            if LETHAL in line:
                self._break(f"{guest} died of a kernel panic")
        if found:
            lines = "; ".join(f"{guest}: {line}" for guest, line in found)
            raise ConsoleAlarm(f"{when}, a guest's console said {lines}")

    def put_back(self) -> None:
        """Guests return to where they were when the test began, so that the next finds them there.

        Raises TestbedError when one does not: then the testbed is broken.
        """
        places, self._places = self._places, {}  # a test that never began has none
        if self._testbed is None or (self._topology and self.broken(self._topology)):
            return
        try:
            now = self._testbed.places
            for guest, home in places.items():
                if guest not in now:
                    raise TestbedError(f"{guest} no longer runs on any host")
                if now[guest] != home:
                    self._testbed.steward.migrate(guest, home, 0)
        except TestbedError as error:
            self._break(str(error))
            raise

    def failed(self, test: str, error: BaseException | None) -> str:
        """Save the evidence of a failed test; gives a text that names its place."""
        self._failed = True
        if isinstance(error, ConnectionLost):
            self._break(str(error))
        if self._testbed is None:
            return f"logs: {self.folder}" if self.folder.is_dir() else ""
        place = self.folder / "failed" / _file_name(test)
        try:
            self._testbed.steward.collect(str(_made(place).resolve()))
            (place / EVENTS).write_bytes(self._events()[self._events_before :])
        except (TestbedError, OSError) as trouble:
            return f"evidence could not be saved to {place}: {trouble}"
        return (
            f"evidence: {place}\n  consoles, agents' and hosts' logs, and what happened meanwhile\n"
            f"repeat: pytest --testbed-seed {self.settings.seed} '{test}'"
        )

    def _events(self) -> bytes:
        """The events of the testbed that stands, so far."""
        file = self.folder / (self._testbed.name if self._testbed else "") / EVENTS
        return file.read_bytes() if file.is_file() else b""

    def require_kvm(self) -> None:
        """Skip unless guests run on KVM: only a testbed that stands knows."""
        if self._testbed is not None and self._testbed.accelerator != "kvm":
            pytest.skip(f"needs KVM, guests run on {self._testbed.accelerator} here")


def _made(folder: Path) -> Path:
    """Raises UsageError when it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            "the results folder cannot be written",
            where=str(folder),
            why=error.strerror or str(error),
            fix="--testbed-results FOLDER",
        ) from None
    return folder


def _file_name(test: str) -> str:
    """A test's id as the name of a folder."""
    return re.sub(r"[^\w.\[\]-]+", "-", test).strip("-.")[-FOLDER_CHARACTERS:]
