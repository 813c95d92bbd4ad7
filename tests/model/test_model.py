"""The protocol's model: a bounded part of what `make model` checks, and its mutants."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.config import REPOSITORY
from tests.model.configurations import (
    FAULTS,
    MUTANTS,
    Mutant,
    Settings,
    property_of,
    together,
    undisturbed,
    untold,
)
from tests.model.verifier import FIELD_BITS, MARKS, MODEL, Verdict, Verifier, overlooked

SECONDS = 240.0
PAIRS = [settings for settings in together(2, starts=1) if settings.get("ANY", 0) < 2]
BOUNDED = [*undisturbed(), *together(1, starts=1), *untold(), *PAIRS]


def named(settings: Settings) -> str:
    """A configuration as a test's name."""
    return "-".join(f"{name}{value}" for name, value in settings.items())


@pytest.fixture(scope="session")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    return Verifier.build(tmp_path_factory.mktemp("model"), window=1)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    return Verifier.build(tmp_path_factory.mktemp("whole"), window=1, remember=True)


@pytest.mark.parametrize("settings", BOUNDED, ids=named)
def test_no_fault_breaks_the_protocol(verifier: Verifier, settings: Settings) -> None:
    verdict = verifier.check(settings, within=SECONDS)
    assert verdict.violation is None, property_of(verdict.violation or "")
    assert verdict.states > 1000


@pytest.mark.parametrize("settings", [{"ANY": 1}, {"STARTS": 1, "RESTORE": 1}], ids=named)
def test_what_makes_no_difference_makes_none(
    settings: Settings, verifier: Verifier, whole: Verifier
) -> None:
    """With nothing forgotten there are more states, and the same verdict."""
    settings = {"PATH_SHM": 1, **settings}
    verdict = whole.check(settings, within=SECONDS)
    assert verdict.violation is None
    assert verdict.states > verifier.check(settings, within=SECONDS).states > 1000


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.switch)
def test_a_broken_protocol_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    broken = Verifier.build(tmp_path, window=1, mutant=mutant.switch)
    verdict = broken.check(mutant.settings, within=SECONDS)
    assert verdict.violation is not None
    assert property_of(verdict.violation) == mutant.caught_by


def test_every_mutant_is_in_the_list() -> None:
    text = "".join(path.read_text() for path in MODEL.parent.glob("*.pml"))
    assert set(re.findall(r"MUTANT_(\w+)", text)) == {mutant.switch for mutant in MUTANTS}


def test_every_fault_has_a_budget() -> None:
    world = (MODEL.parent / "world.pml").read_text()
    assert tuple(re.findall(r'now\.budget\[\d\] = setting\("(\w+)"\)', world)) == FAULTS


@pytest.mark.parametrize(
    ("prefix", "enumeration"),
    [("PHASE", "handover_phase"), ("IN", "handover_input"), ("DO", "handover_action")],
)
def test_the_model_has_the_agents_names(prefix: str, enumeration: str) -> None:
    """The table is shared; so must be what may stand in it."""
    header = (REPOSITORY / "guest-agent/src/link/handover.h").read_text()
    body = header.split(f"enum {enumeration} {{")[1].split("};")[0]
    declared = set(re.findall(r"^\s*HANDOVER_(\w+),", body, re.MULTILINE)) - {"PHASES"}
    names = (MODEL.parent / "names.pml").read_text()
    ours = set(re.findall(rf"^#define {prefix}_(\w+)", names, re.MULTILINE))
    assert ours - {"NOTHING"} == declared - {"NOTHING"}


def test_an_unfinished_search_is_no_verdict() -> None:
    with pytest.raises(ValueError, match="not completed"):
        Verdict.read("Warning: Search not completed\n 12 states, stored\n")


def test_a_large_number_of_states_is_read() -> None:
    assert Verdict.read("1.0131844e+08 states, stored\n").states == 101_318_440


def test_what_a_hashed_search_overlooks_grows_with_it() -> None:
    """docs/protocol.md says how much it is in the largest."""
    assert overlooked(0) == 0
    assert overlooked(287_418_690) == pytest.approx(0.0004, rel=0.1)
    crowded = 2**FIELD_BITS // MARKS
    assert 0.01 * crowded < overlooked(crowded) < crowded
