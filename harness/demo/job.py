"""The main job, inside a testbed that stands: there and back under full load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness import clock
from harness.demo import evidence, verdict
from harness.demo.phases import PhaseMeter, Stretch, paths_now
from harness.errors import TestbedError
from harness.model.result import Migration, Phase, Stream, Summary
from harness.testbed.testbed import Testbed
from harness.traffic.traffic import Traffic, judge

SETTLE_SECONDS = 5.0


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


@dataclass
class Outcome:
    """What the job measured so far; a job that breaks leaves what it had."""

    phases: list[Phase] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    migrations: list[Migration] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)


def run(testbed: Testbed, spec: JobSpec, outcome: Outcome) -> None:
    """Traffic, migrate, migrate back, verify, all noted in `outcome`.

    Raises TestbedError when the testbed breaks; the outcome then has what came before.
    """
    moving, still = testbed.guest(spec.moving), testbed.guest(spec.still)
    away = next(name for name in testbed.places if name != moving.place.name)
    home = moving.place.name
    traffic = Traffic(moving, still, spec.seed, testbed.events)
    traffic.start()
    meter = PhaseMeter(still, (moving,))
    _steady(testbed, meter, spec, "together")
    outcome.migrations.append(_move(testbed, meter, spec.moving, away, "moving away"))
    _steady(testbed, meter, spec, "apart")
    outcome.migrations.append(_move(testbed, meter, spec.moving, home, "moving back"))
    _steady(testbed, meter, spec, "together again")
    traffic.stop()
    reports = traffic.reports()
    outcome.phases, outcome.streams = meter.judge(reports), judge(traffic.plans, reports)


def _steady(testbed: Testbed, meter: PhaseMeter, spec: JobSpec, name: str) -> None:
    """Hold a path for a while, and see that every stream takes the same one."""
    still = testbed.guest(spec.still)
    with testbed.events.span("phase", phase=name), meter.phase(name) as stretch:
        clock.sleep(spec.steady_seconds)
        _note_path(stretch, paths_now(still))


def _note_path(stretch: Stretch, paths: set[str]) -> None:
    if len(paths) != 1:
        raise TestbedError(
            f"while {stretch.name} the streams take different paths: {sorted(paths)}",
            fix="see the agents' logs in the results folder",
        )
    path = paths.pop()
    stretch.path = "shm" if path == "shm" else "tcp" if path == "tcp" else "none"


def _move(testbed: Testbed, meter: PhaseMeter, guest: str, to: str, name: str) -> Migration:
    with meter.phase(name) as stretch:
        migration = testbed.migrate(guest, to)
    stretch.downtime_ms = migration.downtime_ms
    return migration


def summarise(
    testbed: Testbed, spec: JobSpec, outcome: Outcome, versions: dict[str, str], seconds: float
) -> Summary:
    """The summary, but for what was left behind: that is known only when all is down."""
    found = [
        *outcome.findings,
        *verdict.findings(outcome.phases, outcome.streams, evidence.consoles(testbed, spec.folder)),
    ]
    return Summary(
        command=spec.command,
        run_id=spec.run_id,
        seed=spec.seed,
        commit=spec.commit,
        verdict="fail" if found else "pass",
        findings=tuple(found),
        accelerator=testbed.record.accelerator or "none",
        versions=versions,
        paths=verdict.sequence(outcome.phases),
        phases=tuple(outcome.phases),
        streams=tuple(outcome.streams),
        migrations=tuple(outcome.migrations),
        network_bytes_in_shm_phases=verdict.network_bytes_in_shm(outcome.phases)[0],
        boot_ms=testbed.record.boot_ms,
        seconds=round(seconds, 1),
    )


def versions(testbed: Testbed, guests: Sequence[str]) -> dict[str, str]:
    """What it ran on, for whoever reads the figures later."""
    place = next(iter(testbed.places.values()))
    raw = place.connection.raw
    found = {
        "libvirt": _dotted(raw.getLibVersion()),
        "qemu": _dotted(raw.getVersion()),
        "host kernel": place.host.run(["uname", "-r"]).stdout.strip(),
        "cpu": _cpu_model(place.host.run(["cat", "/proc/cpuinfo"]).stdout),
    }
    for name in guests[:1]:
        found["guest kernel"] = testbed.guest(name).exec(["uname", "-r"]).stdout.strip()
    return found


def _dotted(number: int) -> str:
    """libvirt packs 9.0.1 as 9000001."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def _cpu_model(cpuinfo: str) -> str:
    names = (line for line in cpuinfo.splitlines() if line.startswith("model name"))
    return next(names, "model name: unknown").partition(":")[2].strip()
