"""A migration job: its thread's errors, its figures, its end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import libvirt
import pytest

from harness import clock
from harness.errors import DeadlineExceeded, TestbedError
from harness.model.migration_mode import MODES, PRECOPY, MigrationMode
from harness.virt.job import MigrationFailed, MigrationJob, flags, parameters


class Connection:
    """One that has seen the given job-completed event, or none."""

    where, uri, peer_uri = "h1", "test:///default", "test:///peer"

    def __init__(self, stats: dict[str, Any] | None = None, completed: Any = None) -> None:
        self.stats = stats
        self.raw = SimpleNamespace(lookupByUUIDString=lambda _: SimpleNamespace(jobStats=completed))

    def mark(self) -> int:
        return 0

    def await_event(self, *_: Any, within: float, detail: Any = None) -> Any:
        if self.stats is None:
            raise DeadlineExceeded("no event")
        return SimpleNamespace(detail=self.stats)


def job(
    migrate: Callable[..., Any],
    source: Connection,
    destination: Connection | None = None,
    mode: MigrationMode = PRECOPY,
    monitor: Callable[[str], dict[str, Any]] | None = None,
    **raw: Any,
) -> MigrationJob:
    domain: Any = SimpleNamespace(
        name="g1",
        uuid="of g1",
        connection=source,
        raw=SimpleNamespace(migrateToURI3=migrate, **raw),
        monitor=monitor or (lambda _: {}),
    )
    there: Any = destination or Connection()
    return MigrationJob(domain, there, mode).start()


def test_the_figures_are_libvirts() -> None:
    result = job(lambda *_: None, Connection({"time_elapsed": 90, "downtime": 30})).result()
    assert (result.total_ms, result.downtime_ms) == (90.0, 30.0)


def test_a_lost_event_is_made_up_for_by_the_destination() -> None:
    there = Connection(completed=lambda _: {"time_elapsed": 80, "downtime": 20})
    result = job(lambda *_: None, Connection(), there).result()
    assert (result.total_ms, result.downtime_ms) == (80.0, 20.0)


def test_a_migration_without_figures_is_one_all_the_same() -> None:
    def no_stats(_: int) -> dict[str, Any]:
        raise libvirt.libvirtError("gone")

    result = job(lambda *_: None, Connection(), Connection(completed=no_stats)).result()
    assert (result.total_ms, result.downtime_ms) == (0.0, 0.0)


def test_qemus_own_figure_is_asked_for_while_it_lives() -> None:
    told = threading.Event()

    def monitor(command: str) -> dict[str, Any]:
        assert command == "query-migrate"
        told.set()
        return {"status": "completed", "downtime": 25}

    running = job(lambda *_: told.wait(10), Connection({"downtime": 30}), monitor=monitor)
    clock.wait_until(lambda: running.own_downtime.ms, within=10, what="QEMU's figure")
    result = running.result()
    assert (result.downtime_ms, result.qemu_downtime_ms) == (30.0, 25.0)


def test_a_qemu_that_was_gone_before_it_could_be_asked_costs_the_figure_only() -> None:
    def gone(_: str) -> dict[str, Any]:
        raise TestbedError("no domain with matching name")

    result = job(lambda *_: None, Connection({"downtime": 30}), monitor=gone).result()
    assert (result.downtime_ms, result.qemu_downtime_ms) == (30.0, None)


@pytest.mark.parametrize("error", [libvirt.libvirtError("refused"), ValueError("refused")])
def test_no_error_of_the_thread_is_lost(error: Exception) -> None:
    def fail(*_: Any) -> None:
        raise error

    with pytest.raises(TestbedError, match="refused"):
        job(fail, Connection({})).result()


def test_a_job_that_has_not_begun_yet_is_cancelled_too() -> None:
    released, aborts = threading.Event(), 0

    def abort() -> None:
        nonlocal aborts
        aborts += 1
        if aborts < 3:
            raise libvirt.libvirtError("no job is active")
        released.set()

    running = job(lambda *_: released.wait(10), Connection({}), abortJob=abort)
    running.cancel()
    assert not running.running and aborts == 3


@pytest.mark.parametrize("name", MODES)
def test_each_mode_is_live_and_peer_to_peer(name: str) -> None:
    wanted = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER
    assert flags(MODES[name]) & wanted == wanted


def test_a_mode_is_flags_and_parameters() -> None:
    extra = flags(MODES["tls-parallel"]) ^ flags(MODES["precopy"])
    assert extra == libvirt.VIR_MIGRATE_TLS | libvirt.VIR_MIGRATE_PARALLEL
    assert parameters(MODES["tls-parallel"], "h2") == {
        "parallel.connections": 2,
        "tls.destination": "h2",
    }
    assert parameters(MODES["limited"], "h2") == {"bandwidth": 64}
    assert parameters(MODES["precopy"], "h2") == {}


def test_an_abort_waits_until_pages_flow() -> None:
    released, seen = threading.Event(), iter([0, 0, 4096])
    asked: list[int] = []

    def stats() -> dict[str, int]:
        asked.append(next(seen))
        return {"memory_processed": asked[-1]}

    def migrate(*_: Any) -> None:
        released.wait(10)
        raise libvirt.libvirtError("aborted")

    running = job(
        migrate, Connection({}), mode=MODES["abort"], jobStats=stats, abortJob=released.set
    )
    with pytest.raises(MigrationFailed, match="did not reach") as failed:
        running.result()
    assert asked == [0, 0, 4096]
    assert failed.value.aborted  # whatever libvirt's own words for it are


def test_postcopy_is_switched_to_once_pages_flow() -> None:
    released, tries = threading.Event(), 0

    def switch() -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise libvirt.libvirtError("not yet")
        released.set()

    running = job(
        lambda *_: released.wait(10),
        Connection({"downtime": 5}),
        mode=MODES["postcopy"],
        jobStats=lambda: {"memory_processed": 1},
        migrateStartPostCopy=switch,
    )
    assert running.result().downtime_ms == 5.0 and tries == 3
