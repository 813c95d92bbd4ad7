"""testbed report: a saved run is rendered again, or it says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.model.campaign_result import CampaignResult
from harness.model.result import Summary
from harness.report import saved
from tests.report_samples import Sample, campaign
from tests.unit.cli.conftest import Command

BROKEN_DEMO = Summary.broken("testbed demo", "r", 7, "c", "it broke")


def keep(result: CampaignResult | Summary, folder: Path) -> Path:
    """A run's folder with this summary in it."""
    folder.mkdir()
    text = result.model_dump_json(by_alias=True)
    (folder / "summary.json").write_text(text)
    return folder


@pytest.mark.parametrize("result", [campaign(Sample(cases=2)), BROKEN_DEMO])
def test_what_was_saved_is_read_back(result: CampaignResult | Summary, tmp_path: Path) -> None:
    folder = keep(result, tmp_path / "run")
    assert saved.load(folder) == (result, folder)
    assert saved.load(folder / "summary.json") == (result, folder)


def test_a_run_is_rendered_again(testbed: Command, tmp_path: Path) -> None:
    folder = keep(campaign(Sample(cases=2)), tmp_path / "run")
    done = testbed("report", str(folder))
    assert done.returncode == 0 and "verdict: pass" in done.stdout
    assert f"report: {folder / 'report.html'}" in done.stdout
    assert "<h1>smoke</h1>" in (folder / "report.html").read_text()


def test_links_lead_back_from_another_place(testbed: Command, tmp_path: Path) -> None:
    folder = keep(BROKEN_DEMO, tmp_path / "run")
    target = tmp_path / "elsewhere" / "page.html"
    refused = testbed("report", str(folder), "-o", str(target))
    assert refused.returncode == 2 and "cannot be written: No such file" in refused.stderr
    target.parent.mkdir()
    assert testbed("report", str(folder), "-o", str(target)).returncode == 0
    assert 'href="./../run/summary.json"' in target.read_text()
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[1]", "is no summary that this version can read"),
        ('{"legs": []}', "campaign: Field required"),
        ('{"command": 3}', "command: Input should be a valid string"),
        ("\x00\xff", "is no JSON"),
    ],
)
def test_what_cannot_be_read_is_refused(
    testbed: Command, tmp_path: Path, content: str | None, why: str
) -> None:
    if content is not None:
        (tmp_path / "summary.json").write_text(content, encoding="latin-1")
    done = testbed("report", str(tmp_path))
    assert done.returncode == 2 and why in done.stderr and "next: " in done.stderr
    assert not (tmp_path / "report.html").exists()
