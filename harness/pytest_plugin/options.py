"""What a user may say on pytest's command line and in its ini file."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness import clock, config

KEEP = ("never", "failed", "always")
LACKING = ("error", "skip")
MARKERS = (
    "testbed(topology): the topology this test needs: a file beside the test, or a Topology; "
    "needs the fixture `testbed`",
    "testbed_needs(kvm=False, hosts=0, guests=0, cpus=0, memory='0 MiB'): skipped, with the "
    "reason, where topology or machine have less",
    "testbed_console(ignore): alarms on guests' consoles (panic, oops, out of memory, hung task) "
    "do not fail this test; with words, only these",
)


def add(parser: pytest.Parser) -> None:
    """Declare options and ini keys."""
    group = parser.getgroup("testbed", "testbeds of real guests (domsock)")
    group.addoption(
        "--testbed-topology",
        metavar="FILE",
        help="topology of tests that name none (ini: testbed_topology; default: the lab, two "
        "hosts and two guests that share memory)",
    )
    group.addoption(
        "--testbed-keep",
        choices=KEEP,
        help="leave testbeds running at the end: never (default), always, or when a test failed "
        "(ini: testbed_keep); `testbed down NAME` ends them",
    )
    group.addoption(
        "--testbed-results",
        metavar="FOLDER",
        help="where evidence of failed tests goes (ini: testbed_results; default: TESTBED_RESULTS, "
        "else results/ in the current folder)",
    )
    group.addoption(
        "--testbed-seed",
        type=int,
        metavar="N",
        help="seed of what streams carry; a failure tells its own, and the same one repeats it",
    )
    group.addoption(
        "--testbed-lacking",
        choices=LACKING,
        help="what happens where the machine cannot run a testbed: error (default), or skip "
        "(ini: testbed_lacking)",
    )
    for key, kind in (
        ("testbed_topology", "path of the topology of tests that name none, from the ini file"),
        ("testbed_keep", "never, failed or always: leave testbeds running at the end"),
        ("testbed_results", "where evidence of failed tests goes, from the ini file"),
        ("testbed_lacking", "error or skip: where the machine cannot run a testbed"),
    ):
        parser.addini(key, kind, default="")


@dataclass(frozen=True)
class Settings:
    """What was said. `run_id` names the session's folder in `results`; workers share it."""

    topology: Path | None
    keep: str
    results: Path
    seed: int
    lacking: str
    run_id: str

    @classmethod
    def of(cls, config_: pytest.Config) -> Settings:
        """The settings of this session; a worker of pytest-xdist has those of its starter.

        Raises pytest.UsageError for a word in the ini file that is none of the valid ones.
        """
        shared: dict[str, Any] = getattr(config_, "workerinput", {}).get("testbed", {})
        seed = config_.getoption("--testbed-seed")
        return cls(
            topology=_place(config_, "topology"),
            keep=_word(config_, "keep", KEEP),
            results=_place(config_, "results") or config.results_dir(),
            seed=shared.get("seed", secrets.randbits(31) if seed is None else seed),
            lacking=_word(config_, "lacking", LACKING),
            run_id=shared.get(
                "run_id", f"{clock.utc():%Y%m%d-%H%M%S}-pytest-{secrets.token_hex(3)}"
            ),
        )

    @property
    def shared(self) -> dict[str, Any]:
        """What each worker has to have alike."""
        return {"seed": self.seed, "run_id": self.run_id}


def _new_run_id() -> str:
    return f"{clock.utc():%Y%m%d-%H%M%S}-pytest-{secrets.token_hex(3)}"


def _word(config_: pytest.Config, key: str, valid: tuple[str, ...]) -> str:
    """A word of the command line, else of the ini file, else the first that is valid."""
    said = config_.getoption(f"--testbed-{key}") or config_.getini(f"testbed_{key}") or valid[0]
    if said not in valid:
        raise pytest.UsageError(f"testbed_{key} = {said}: choose one of {', '.join(valid)}")
    return str(said)


def _place(config_: pytest.Config, key: str) -> Path | None:
    """A path of the command line, from the current folder, or of the ini file, from there."""
    if said := config_.getoption(f"--testbed-{key}"):
        return config_.invocation_params.dir / str(said)
    if said := config_.getini(f"testbed_{key}"):
        return (config_.inipath.parent if config_.inipath else config_.rootpath) / str(said)
    return None
