"""A whole job inside its lab, from hosts that answer SSH to a result on disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from harness import clock
from harness.evidence import evidence
from harness.guests.guest import Guest
from harness.testbed import crashes
from harness.testbed.crashes import Crash
from harness.testbed.makings import Makings

R = TypeVar("R", bound=BaseModel)


class JobRunner(ABC, Generic[R]):
    """One run: work, then evidence and result, whatever happened in between.

    `findings` say why the work ended early, if it did; `crashes` is what ended of itself in it.
    """

    def __init__(self, makings: Makings, folder: Path) -> None:
        self.makings, self.record, self.events = makings, makings.record, makings.events
        self.folder = folder
        self.began = clock.now()
        self.findings: list[str] = []
        self.versions: dict[str, str] = {}
        self.crashes: list[Crash] = []

    @abstractmethod
    def work(self) -> None:
        """Bring the testbed up, and do the job in it."""

    @abstractmethod
    def guests(self) -> Sequence[Guest]:
        """The guests that can be asked for their logs."""

    @abstractmethod
    def result(self, consoles: dict[str, str]) -> R:
        """What was found out. `consoles` is what the guests' consoles said."""

    @abstractmethod
    def let_go(self) -> None:
        """Close what is still open."""

    def run(self) -> R:
        """Run it. Raises TestbedError when the testbed broke, SubjectFailed when a component
        under test crashed; the result then says so.
        """
        failed: Exception | None = None
        try:
            self.work()
        except KeyboardInterrupt as stopped:
            self.findings.append(str(stopped) or "interrupted")
            raise
        except Exception as error:
            self.findings.append(str(error))
            failed = error
        finally:
            result = self._conclude()
        failed = crashes.blame(self.crashes, self.record.topology.sut, self.folder) or failed
        if failed is not None:
            raise failed
        return result

    def seconds(self) -> float:
        """How long it has been running."""
        return round(clock.now() - self.began, 1)

    def _conclude(self) -> R:
        """Evidence and result; what cannot be had any more is said, and hides no error."""
        consoles = self.gather(self.folder)
        result = self.result(consoles)
        evidence.write_result(result, self.folder)
        self.let_go()
        return result

    def gather(self, folder: Path) -> dict[str, str]:
        """Logs of guests and hosts into `folder`, and what crashed; gives the consoles."""
        evidence.collect(self.makings.hosts, self.guests(), folder, self.events)
        consoles = evidence.consoles(tuple(self.record.topology.guests), folder)
        for crash in crashes.find(folder, consoles, self.makings.hosts):
            if str(crash) not in map(str, self.crashes):
                self.crashes.append(crash)
                crashes.keep(crash, self.folder)
        return consoles
