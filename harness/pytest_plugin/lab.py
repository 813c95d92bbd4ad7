"""A testbed in a lab of this session, seen from outside: it ends with us, whatever ends us."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness import run
from harness.events import EventLog
from harness.hosts.lab.lab import Lab
from harness.model.topology import Topology
from harness.pytest_plugin.contract import Standing, Steward
from harness.pytest_plugin.wire import Caller
from harness.testbed import labs
from harness.testbed.lock import exclusive
from harness.testbed.reservation import reserved, settle

EVENTS = "events.jsonl"
LOG = "helper.log"
LAST_CHARACTERS = 2000
FAREWELL_SECONDS = 10.0


class LabTestbed:
    """A lab, the helper inside it, and what we hold for both (hookspecs.Running)."""

    def __init__(
        self, lab: Lab, steward: Steward, standing: Standing, events: EventLog, held: ExitStack
    ) -> None:
        self.steward, self.standing = steward, standing
        self._lab, self._events, self._held = lab, events, held

    @classmethod
    def start(cls, topology: Topology, folder: Path) -> LabTestbed:
        """Reserve what it takes, start the lab and the helper, let it bring up the testbed.

        Raises UsageError when the machine cannot, TestbedError when the testbed breaks; then
        nothing of it is left.
        """
        name = topology.name
        with ExitStack() as stack:
            stack.enter_context(exclusive(name))
            stack.enter_context(reserved(topology))
            events = EventLog(folder / EVENTS)
            stack.callback(events.close)
            with _ended_on_error(name, events):
                _, lab = labs.start(topology, events)
                steward = stack.enter_context(_helper(lab, folder))
                standing = steward.bring_up(name, str(folder.resolve()))
            settle(name)
            return cls(lab, steward, standing, events, stack.pop_all())

    def end(self, *, keep: bool) -> None:
        """End it, or leave it running for the `testbed` command."""
        with self._held:
            if keep:
                self._lab.keep()
            else:
                labs.stop(self.standing.name, self._events)


@contextmanager
def _ended_on_error(name: str, events: EventLog) -> Iterator[None]:
    try:
        yield
    except BaseException:  # Ctrl-C, too
        labs.stop(name, events)
        raise


@contextmanager
def _helper(lab: Lab, folder: Path) -> Iterator[Steward]:
    """The steward in a process inside the lab, in a session of its own: Ctrl-C is not for it."""
    ours, theirs = socket.socketpair()
    argv = [sys.executable, "-P", "-m", "harness.pytest_plugin.inside", str(theirs.fileno())]
    log = folder / LOG
    with log.open("wb") as said, theirs:
        process = run.spawn(
            lab.enter_argv(argv),
            stdin=run.DEVNULL,
            stdout=said,
            stderr=said,
            pass_fds=[theirs.fileno()],
            new_session=True,
        )
    caller = Caller(ours, lambda: _last_words(log))
    try:
        yield caller.steward
    finally:
        caller.close()
        if run.wait(process, FAREWELL_SECONDS) is None:
            run.terminate(process)


def _last_words(log: Path) -> str:
    said = log.read_text(errors="replace").strip()[-LAST_CHARACTERS:]
    return said or "it was ended from outside"
