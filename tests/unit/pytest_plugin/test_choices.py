"""What a project and its tests may ask for: topologies, requirements, settings."""

from __future__ import annotations

import pytest

from tests.unit.pytest_plugin.conftest import Project

SOLO = "name: solo\nhosts: {h1: {}}\nguests: {alone: {host: h1}}\n"
MIXED = """
import pytest
from harness.model.topology import lab_topology
solo = pytest.mark.testbed(topology="solo.yaml")

@solo
def test_a(testbed): assert [guest.name for guest in testbed.guests] == ["alone"]
def test_b(testbed): assert len(testbed.guests) == 2
@solo
def test_c(testbed): assert len(testbed.guests) == 1
@pytest.mark.testbed(lab_topology())
def test_d(testbed): assert len(testbed.guests) == 2
def test_e(): pass
"""


def test_tests_of_one_topology_share_a_testbed_wherever_they_stand(project: Project) -> None:
    (project.folder / "solo.yaml").write_text(SOLO)
    result = project.run(MIXED, "-v")
    result.assert_outcomes(passed=5)
    assert project.life == ["start alone", "end keep=False", "start g1-g2", "end keep=False"]
    result.stdout.fnmatch_lines(["*::test_a *", "*::test_c *", "*::test_b *", "*::test_d *"])


def test_a_broken_topology_does_not_break_the_others(project: Project) -> None:
    (project.folder / "solo.yaml").write_text(SOLO)
    source = MIXED.replace("assert len(testbed.guests) == 1", "pass").replace(
        'assert [guest.name for guest in testbed.guests] == ["alone"]',
        "from harness.errors import ConnectionLost; raise ConnectionLost('gone')",
    )
    project.run(source).assert_outcomes(failed=1, skipped=1, passed=3)


@pytest.mark.parametrize("how", ["option", "ini"])
def test_the_sessions_topology(project: Project, how: str) -> None:
    (project.folder / "solo.yaml").write_text(SOLO)
    if how == "ini":
        project.pytester.makeini("[pytest]\ntestbed_topology = solo.yaml\n")
    options = ["--testbed-topology=solo.yaml"] if how == "option" else []
    project.run("def test_one(testbed): assert testbed.guest('alone')", *options)
    assert project.life[0] == "start alone"


@pytest.mark.parametrize(
    ("marker", "text", "said"),
    [
        ('(topology="solo.yaml")', "name: solo\nhots: {}\n", "*solo.yaml:2*hosts*"),
        ('(topology="missing.yaml")', "", "*the topology cannot be read (*missing.yaml)*"),
        ("(topolgy='solo.yaml')", "", "*the marker testbed of test_one makes no sense*"),
        ("(3)", "", "*the marker testbed of test_one makes no sense*"),
    ],
)
def test_a_bad_topology_is_an_error_of_the_collection(
    project: Project, marker: str, text: str, said: str
) -> None:
    (project.folder / "solo.yaml").write_text(text)
    source = f"import pytest\n@pytest.mark.testbed{marker}\ndef test_one(testbed): pass"
    result = project.run(source)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([said])
    assert project.life == []


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        ("hosts=3", "needs 3 hosts, has 2"),
        ("guests=9", "needs 9 guests, has 2"),
        ("cpus=4096", "needs 4096 CPUs, has *"),
        ("memory='4096 GiB'", "needs 4096 GiB of memory, * MiB are free"),
        ("kvm=True", "needs KVM, *"),
    ],
)
def test_what_a_machine_cannot_do_is_skipped_with_the_reason(
    project: Project, needs: str, said: str
) -> None:
    source = f"""
import pytest
@pytest.mark.testbed_needs({needs})
def test_one(testbed): pass
"""
    result = project.run(source, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines([f"SKIPPED*{said}*"])


def test_what_it_can_do_runs_and_the_closest_marker_counts(project: Project) -> None:
    source = """
import pytest
pytestmark = pytest.mark.testbed_needs(hosts=3, guests=2)
@pytest.mark.testbed_needs(hosts=2)
def test_one(testbed): pass
"""
    project.run(source).assert_outcomes(passed=1)


@pytest.mark.parametrize("needs", ["hots=3", "hosts='many'", "memory='much'", "hosts=-1"])
def test_needs_that_make_no_sense_are_an_error(project: Project, needs: str) -> None:
    source = f"import pytest\n@pytest.mark.testbed_needs({needs})\ndef test_one(testbed): pass"
    result = project.run(source)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*testbed_needs: *", "*next: it knows kvm, hosts*"])


@pytest.mark.parametrize("line", ["testbed_keep = somtimes", "testbed_lacking = maybe"])
def test_a_wrong_word_in_the_ini_file_is_refused(project: Project, line: str) -> None:
    project.pytester.makeini(f"[pytest]\n{line}\n")
    result = project.run("def test_one(): pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*choose one of *"])


def test_results_go_where_they_are_wanted(project: Project) -> None:
    project.pytester.makeini("[pytest]\ntestbed_results = kept/there\n")
    project.run("def test_one(testbed): assert 0")
    assert list(project.folder.glob("kept/there/*-pytest-*/failed/*"))


def test_results_that_cannot_be_written_are_one_error(project: Project) -> None:
    (project.folder / "file").touch()
    result = project.run(
        "def test_a(testbed): pass\ndef test_b(testbed): pass", "--testbed-results=file"
    )
    result.assert_outcomes(errors=1, skipped=1)
    result.stdout.fnmatch_lines(["*results folder cannot be written*"])


def test_options_and_markers_explain_themselves(project: Project) -> None:
    helped = project.pytester.runpytest("--help").stdout.str()
    for option in ("topology", "keep", "results", "seed", "lacking"):
        assert f"--testbed-{option}" in helped
    markers = project.pytester.runpytest("--markers").stdout.str()
    for marker in ("testbed(topology)", "testbed_needs(", "testbed_console("):
        assert f"@pytest.mark.{marker}" in markers
