"""The plugin in a user's project, with fakes for testbeds."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from tests.unit.pytest_plugin.conftest import Project

THREE = """
def test_one(testbed): pass
def test_two(guest, host): assert guest("g1").host == "h1" and host("h2")
def test_three(testbed): pass
"""


def test_one_testbed_serves_the_whole_session(project: Project) -> None:
    project.run(THREE, "-v").assert_outcomes(passed=3)
    assert project.life == ["start g1-g2", "end keep=False"]


def test_ids_of_tests_stay_as_they_are(project: Project) -> None:
    said = project.run(THREE, "--collect-only", "-q").stdout.str()
    assert "test_it.py::test_one\n" in said
    assert project.life == []


def test_a_project_without_testbeds_sees_nothing_of_us(project: Project) -> None:
    result = project.run("def test_one(): pass", "--strict-markers")
    result.assert_outcomes(passed=1)
    assert not (project.folder / "results").exists()


def test_a_project_keeps_fixtures_of_its_own_that_have_our_names(project: Project) -> None:
    source = """
import pytest
@pytest.fixture
def testbed(): return 3
@pytest.fixture
def guest(testbed): return testbed + 1
def test_one(testbed, guest): assert (testbed, guest) == (3, 4)
"""
    project.run(source).assert_outcomes(passed=1)
    assert project.life == []


def test_a_broken_testbed_is_one_error_and_the_rest_skips(project: Project) -> None:
    (project.folder / "broken").touch()
    result = project.run(THREE, "-rs")
    result.assert_outcomes(errors=1, skipped=2)
    result.stdout.fnmatch_lines(
        ["*the lab did not start: no reason", "*testbed is broken: the lab*"]
    )
    assert project.life == ["start g1-g2"]


@pytest.mark.parametrize(
    ("options", "errors", "skipped"), [([], 1, 2), (["--testbed-lacking=skip"], 0, 3)]
)
def test_a_machine_that_lacks_something(
    project: Project, options: list[str], errors: int, skipped: int
) -> None:
    (project.folder / "lacking").touch()
    result = project.run(THREE, "-rs", *options)
    result.assert_outcomes(errors=errors, skipped=skipped)
    result.stdout.fnmatch_lines(["*memory: 1 MiB free*"])


def test_a_testbed_that_breaks_on_the_way_skips_the_rest(project: Project) -> None:
    source = """
from harness.errors import ConnectionLost

def test_one(testbed):
    raise ConnectionLost("the helper inside the lab is gone")
def test_two(testbed): pass
"""
    result = project.run(source, "-rs")
    result.assert_outcomes(failed=1, skipped=1)
    result.stdout.fnmatch_lines(["*testbed is broken: the helper inside the lab is gone"])


def test_a_guest_that_is_gone_breaks_the_testbed(project: Project) -> None:
    source = "def test_one(testbed): del testbed.steward.at['g1']\ndef test_two(testbed): pass"
    result = project.run(source)
    result.assert_outcomes(passed=1, errors=1, skipped=1)
    result.stdout.fnmatch_lines(["*g1 no longer runs on any host*"])


def test_a_failed_test_leaves_evidence_and_says_where(project: Project) -> None:
    source = """
import pytest

@pytest.mark.parametrize("x", ["a/b"])
def test_one(testbed, request, x):
    [events] = request.config.rootpath.glob("results/*/pytest-*/events.jsonl")
    events.write_text(events.read_text() + "acted\\n")
    assert 0
"""
    result = project.run(source, "--testbed-seed", "5")
    result.assert_outcomes(failed=1)
    [place] = project.evidence()
    assert (place / "console-g1.log").exists()
    assert (place / "events.jsonl").read_text() == "acted\n", "what happened during the test"
    result.stdout.fnmatch_lines(
        [f"evidence: {place}", "*repeat: pytest --testbed-seed 5 'test_it.py::test_one*"]
    )
    assert project.run("def test_one(testbed): pass").ret == 0
    assert len(project.evidence()) == 1


@pytest.mark.parametrize(
    "alarm", ["Kernel panic - not syncing", "BUG: x", "Oops: 0", "Out of memory", "is not a head!"]
)
def test_an_alarm_on_a_console_fails_the_test_that_ran(project: Project, alarm: str) -> None:
    source = f"""
def test_one(testbed): testbed.steward.consoles = {{"g1": "fine\\n\\x1b[ 1.0] {alarm}\\n"}}
def test_two(testbed): pass
"""
    result = project.run(source)
    lethal = "panic" in alarm
    result.assert_outcomes(failed=1, passed=not lethal, skipped=lethal)
    result.stdout.fnmatch_lines([f"*during the test, a guest's console said g1: ?*{alarm}*"])


def test_an_alarm_between_two_tests_is_no_fault_of_the_test(project: Project) -> None:
    source = """
def test_one(testbed): pass
def test_two(testbed): pass

import pytest

@pytest.fixture(scope="module", autouse=True)
def early(testbed):
    testbed.steward.consoles = {"g2": "INFO: task x blocked for more than 120 seconds"}
"""
    result = project.run(source)
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["*before the test, a guest's console said g2: INFO: task x*"])


@pytest.mark.parametrize(
    ("marker", "passes"),
    [
        ("", True),
        ("()", True),
        ("('Oops')", True),
        ("(ignore=['Oops'])", True),
        ("('BUG:')", False),
    ],
)
def test_alarms_can_be_what_a_test_wants(project: Project, marker: str, passes: bool) -> None:
    source = f"""
import pytest
@pytest.mark.testbed_console{marker}
def test_one(testbed): testbed.steward.consoles = {{"g1": "Oops: 0002"}}
"""
    project.run(source).assert_outcomes(passed=passes, failed=not passes)


def test_the_tests_own_failure_and_the_alarm_are_both_told(project: Project) -> None:
    source = "def test_one(testbed):\n testbed.steward.consoles = {'g1': 'BUG: y'}\n assert 1 == 2"
    result = project.run(source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert 1 == 2*", "*console said g1: BUG: y*"])


def test_guests_go_back_to_where_the_test_found_them(project: Project) -> None:
    source = """
import pytest

@pytest.fixture(scope="module")
def apart(testbed):
    testbed.guest("g2").migrate(to="h2")
    yield
    testbed.guest("g2").migrate(to="h1")

def test_one(testbed, apart):
    testbed.guest("g1").migrate(to="h2")
    assert 0
def test_two(testbed, apart): assert testbed.places == {"g1": "h1", "g2": "h2"}
"""
    project.run(source).assert_outcomes(failed=1, passed=1)


def test_a_test_that_is_skipped_moves_nobody(project: Project) -> None:
    source = """
import pytest

@pytest.fixture
def apart(testbed):
    testbed.guest("g2").migrate(to="h2")
    yield
    testbed.guest("g2").migrate(to="h1")

def test_one(testbed, apart): pass
@pytest.mark.testbed_needs(hosts=9)
def test_two(testbed): pass
def test_three(testbed): assert testbed.guest("g2").host == "h1"
"""
    project.run(source).assert_outcomes(passed=2, skipped=1)


@pytest.mark.parametrize(
    ("keep", "source", "kept"),
    [
        ("always", "def test_one(testbed): pass", True),
        ("failed", "def test_one(testbed): pass", False),
        ("failed", "def test_one(testbed): assert 0", True),
        ("never", "def test_one(testbed): assert 0", False),
    ],
)
def test_keep(project: Project, keep: str, source: str, kept: bool) -> None:
    result = project.run(source, "--testbed-keep", keep)
    assert project.life[-1] == f"end keep={kept}"
    assert ("kept pytest-" in result.stdout.str()) is kept


def test_the_traffic_fixture_lasts_as_long_as_the_test(project: Project) -> None:
    source = """
def test_one(testbed, traffic):
    running = traffic(testbed.guest("g1"), testbed.guest("g2"), streams=1)
    assert running.path == "shm"
def test_two(testbed): assert ("stop_traffic", "t1") in testbed.steward.calls
"""
    project.run(source).assert_outcomes(passed=2)


def test_junit_tells_on_what_the_tests_ran(project: Project) -> None:
    source = "def test_one(testbed): pass\ndef test_two(testbed): assert 0"
    project.run(source, "--junitxml=out.xml", "--testbed-seed=9")
    suite = ET.parse(project.folder / "out.xml").getroot()[0]
    found = {p.get("name"): p.get("value") for p in suite.findall("properties/property")}
    assert (found["testbed.accelerator"], found["testbed.seed"]) == ("fake", "9")
    assert found["testbed.qemu"] == "0.0"
    assert found["testbed.evidence"] == str(project.evidence()[0].parent.parent)
    [failed] = [case for case in suite.findall("testcase") if case.get("name") == "test_two"]
    assert "testbed.evidence" in {p.get("name") for p in failed.findall("properties/property")}


@pytest.mark.slow
def test_each_worker_of_xdist_has_a_testbed_and_the_same_folder_and_seed(project: Project) -> None:
    source = """
import pytest
@pytest.mark.parametrize("n", range(6))
def test_one(testbed, n): assert n != 3
"""
    options = ["-n2", "--junitxml=out.xml", "--testbed-keep=always"]
    result = project.run(source, *options)
    result.assert_outcomes(passed=5, failed=1)
    assert sorted(project.life) == ["end keep=True"] * 2 + ["start g1-g2"] * 2
    result.stdout.fnmatch_lines(["*evidence: *", "*kept pytest-*", "*kept pytest-*"])
    [run] = (project.folder / "results").iterdir()
    suite = ET.parse(project.folder / "out.xml").getroot()[0]
    found = {p.get("name"): p.get("value") for p in suite.findall("properties/property")}
    assert found["testbed.evidence"] == str(run)
    assert found["testbed.seed"].isdigit(), "one seed for all"
    assert len(found["testbed.name"].split("; ")) == 2


@pytest.mark.slow
def test_ctrl_c_ends_the_testbed(project: Project) -> None:
    project.pytester.makepyfile(test_it="def test_one(testbed): raise KeyboardInterrupt")
    result = project.pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert project.life[-1] == "end keep=False"
