"""The main job, inside a testbed that stands: there and back under full load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness import clock
from harness.demo.phases import PhaseMeter, Stretch
from harness.errors import SubjectFailed, TestbedError
from harness.model.result import Migration, Phase, Stream
from harness.testbed.testbed import Testbed
from harness.traffic.traffic import Traffic, judge
from harness.traffic.watch import paths_now


@dataclass(frozen=True)
class JobSpec:
    """What to run. `steady_seconds` is how long each path is held."""

    run_id: str
    folder: Path
    command: str
    seed: int
    commit: str
    steady_seconds: float
    moving: str = "g1"
    still: str = "g2"


class Job:
    """One run of the main job. What it measured stays, however it ends."""

    def __init__(self, testbed: Testbed, spec: JobSpec) -> None:
        self.testbed, self.spec = testbed, spec
        self.phases: list[Phase] = []
        self.streams: list[Stream] = []
        self.migrations: list[Migration] = []
        moving, self._still = testbed.guest(spec.moving), testbed.guest(spec.still)
        self._traffic = Traffic(moving, self._still, spec.seed, testbed.events)
        self._meter = PhaseMeter(self._still, (moving,))

    def run(self) -> None:
        """Traffic, migrate, migrate back, verify.

        Raises SubjectFailed when the streams did not go where they should, TestbedError when
        the testbed broke.
        """
        home = self.testbed.guest(self.spec.moving).place.name
        away = next(name for name in self.testbed.places if name != home)
        self._traffic.start()
        self._steady("together")
        self._move(away, "moving away")
        self._steady("apart")
        self._move(home, "moving back")
        self._steady("together again")
        self._traffic.stop()

    def judge(self) -> None:
        """Read the streams' reports, and say what became of every byte in every phase."""
        reports = self._traffic.reports()
        self.phases = self._meter.judge(reports)
        self.streams = judge(self._traffic.plans, reports, self._still.name)

    def _steady(self, name: str) -> None:
        """Hold a path for a while, and see that every stream takes the same one."""
        with self.testbed.events.span("phase", phase=name), self._meter.phase(name) as stretch:
            clock.sleep(self.spec.steady_seconds)
            _note_path(stretch, paths_now(self._still))

    def _move(self, to: str, name: str) -> None:
        with self._meter.phase(name) as stretch:
            migration = self.testbed.migrate(self.spec.moving, to)
        stretch.downtime_ms = migration.downtime_ms
        self.migrations.append(migration)


def _note_path(stretch: Stretch, paths: set[str]) -> None:
    if len(paths) != 1:
        raise SubjectFailed(
            f"while {stretch.name} the streams take different paths: {sorted(paths) or 'none'}",
            fix="see the agents' logs in the results folder",
        )
    match paths.pop():
        case "shm":
            stretch.path = "shm"
        case "tcp":
            stretch.path = "tcp"
        case "relay":
            stretch.path = "relay"
        case other:
            raise TestbedError(f"an agent knows a path {other!r}, the harness does not")
