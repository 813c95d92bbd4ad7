"""The results folder kept small: what is cut, what is removed, and what never."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import typer

from harness.cli import results
from harness.cli.commands import options
from harness.model.topology import lab_topology
from harness.testbed.lock import exclusive
from harness.testbed.record import TestbedRecord

LINE = "0123456789 a line of a log\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    (made / "hosts").mkdir(parents=True)
    (made / "summary.json").write_text("{}" + " " * 5000)
    (made / "small.log").write_text(LINE * 10)
    (made / "hosts/large.log").write_text("first\n" + LINE * 40_000 + "last\n")
    event = json.dumps({"event": "x", "n": 1}) + "\n"
    (made / "events.jsonl").write_text(event * 40_000)
    return made


def total(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


def test_the_largest_logs_lose_their_middles(folder: Path) -> None:
    limit = 300_000
    cuts = results.cap(folder, limit)
    assert {cut.file for cut in cuts} == {"hosts/large.log", "events.jsonl"}
    assert limit * 0.9 < total(folder) <= limit + 1000  # the events that tell of it
    large = (folder / "hosts/large.log").read_text()
    assert large.startswith("first\n") and large.endswith("last\n")
    assert "bytes are left out here" in large
    assert set(large.splitlines(keepends=True)) - {LINE, "first\n", "last\n"} == {
        next(line for line in large.splitlines(keepends=True) if "left out" in line)
    }, "lines are whole"
    assert (folder / "small.log").read_text() == LINE * 10
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [e["file"] for e in events if e["event"] == "results.capped"]
    assert "results.cut" in {e["event"] for e in events}


def test_what_fits_is_left_as_it_is(folder: Path) -> None:
    before = {f: f.read_bytes() for f in folder.rglob("*") if f.is_file()}
    assert results.cap(folder, total(folder)) == []
    assert {f: f.read_bytes() for f in folder.rglob("*") if f.is_file()} == before


def test_a_cap_that_cannot_be_met_keeps_the_summary(folder: Path) -> None:
    results.cap(folder, 1)
    assert (folder / "summary.json").stat().st_size == 5002
    assert (folder / "hosts/large.log").stat().st_size <= results.LEAST


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TESTBED_STATE", str(tmp_path / "state"))
    place = tmp_path / "results"
    for hour in range(6):
        for command in ("demo", "stress"):
            run = place / f"20260101-0{hour}0000-{command}-00000{hour}"
            run.mkdir(parents=True)
            (run / "summary.json").write_text("{}")
    (place / "latest").symlink_to("20260101-000000-demo-000000")
    (place / "notes").mkdir()
    return place


def left(runs: Path, command: str) -> list[str]:
    return sorted(run.name[9:11] for run in runs.glob(f"*-{command}-*"))


def test_the_newest_stay_and_other_things_too(runs: Path) -> None:
    results.prune(runs, "demo", 2)
    assert left(runs, "demo") == ["00", "04", "05"], "two, and latest"
    assert len(left(runs, "stress")) == 6 and (runs / "notes").is_dir()
    assert (runs / "latest").resolve().is_dir()


def test_what_goes_on_stays(runs: Path) -> None:
    topology = lab_topology().model_copy(update={"name": "demo-000001"})
    TestbedRecord.new(topology, "digest").write()  # its testbed stays up
    (runs / "20260101-030000-demo-000003/summary.json").unlink()  # it has just begun
    with exclusive("demo-000002"):
        results.prune(runs, "demo", 1)
    assert left(runs, "demo") == ["00", "01", "02", "03", "05"]
    os.utime(runs / "20260101-030000-demo-000003", (0, 0))
    results.prune(runs, "demo", 1)
    assert left(runs, "demo") == ["00", "01", "05"]


def test_a_size_is_read_and_a_default_is_one_already() -> None:
    assert (options.size("2 MiB"), options.size("10"), options.size(options.RESULTS_CAP)) == (
        2 << 20, 10, 200 << 20,
    )  # fmt: skip
    with pytest.raises(typer.BadParameter, match="a size is such as"):
        options.size("much")
