"""The page as text: its structure, its policy, its size, and what hostile texts do to it."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from harness import report
from harness.model.campaign_result import CampaignResult
from harness.report import campaign as campaign_page
from harness.report import demo, page
from tests.report_samples import Sample, campaign
from tests.unit.cli.test_show import MOVE, PHASE, stream
from tests.unit.report.pages import Parsed

HOSTILE = "<script>alert(1)</script>\" onload='x' --></style></template>{{ 7*7 }}\x1b[2J\u2028"
MEGABYTE = 1 << 20
ADDRESS = re.compile(r"(?:https?:)?//[a-z]", re.IGNORECASE)
ODD = (math.nan, math.inf, -math.inf, -1e300, 1e300, 5e-324, 0.0, -1.0, 1e18, 1.7e308)
SMALL = campaign(Sample(cases=2)).model_dump()
SECTIONS = ["findings", "throughput", "distributions", "cases", "resources", "streams"]


def write(result: CampaignResult, folder: Path) -> str:
    return report.write(result, folder).read_text()


def poisoned(value: Any, text: str) -> Any:
    """The same structure with every text of it that is free replaced."""
    kept = ("verdict", "name", "path", "path_before", "path_after", "accelerator", "kind")
    if isinstance(value, dict):
        return {
            key: child if key in kept and not isinstance(child, list) else poisoned(child, text)
            for key, child in value.items()
        }
    if isinstance(value, list):
        return [poisoned(child, text) for child in value]
    return text if isinstance(value, str) else value


def test_a_page_has_its_parts_in_their_order(tmp_path: Path) -> None:
    parsed = Parsed(write(campaign(Sample(fail=True)), tmp_path))
    assert parsed.errors == []
    assert [s["id"] for s in parsed.having("section")] == [*SECTIONS, "environment"]
    assert len(parsed.having("h1")) == 1 and len(parsed.having("h2")) == 7
    assert len(parsed.having("svg", **{"class": "zoom flow"})) == 16
    assert len(parsed.having("tbody", **{"class": "case"})) == 24 + 6
    ids = parsed.values("id")
    assert len(ids) == len(set(ids))
    for named in ("aria-labelledby", "aria-controls"):
        assert set(parsed.values(named)) <= set(ids)
    assert all("scope" in head for head in parsed.having("th"))


def test_what_the_run_was_stands_at_the_head(tmp_path: Path) -> None:
    text = Parsed(write(campaign(Sample()), tmp_path)).text
    head = text[: text.index("Every promise held.")]
    for fact in ("smoke", "seed 7", "TCG", "Imaginary Xeon", "6.1.0-30-amd64", "7.2.22", "9.0.0"):
        assert fact in head


def test_what_nobody_noted_is_said_to_be_unknown(tmp_path: Path) -> None:
    bare = campaign(Sample(cases=1)).model_copy(update={"versions": {}, "environment": {}})
    assert re.search(r"cpu\s*unknown", Parsed(write(bare, tmp_path)).text)


def test_a_failure_says_what_whose_and_how_to_repeat_it(tmp_path: Path) -> None:
    text = Parsed(write(campaign(Sample(fail=True)), tmp_path)).text
    assert "stream s1 g1→g2: 4,096 bytes lost" in text
    assert "the control passed the same cases" in text
    assert "testbed stress smoke --seed 7 --case 2" in text
    assert "not flat" in text


@pytest.mark.parametrize("sample", [Sample(cases=3), Sample(cases=3, fail=True)])
def test_nothing_leads_out_of_the_page(sample: Sample, tmp_path: Path) -> None:
    text = write(campaign(sample), tmp_path)
    assert ADDRESS.findall(text.replace("http://www.w3.org/2000/svg", "")) == []
    parsed = Parsed(text)
    assert parsed.having("img") == parsed.having("iframe") == []
    assert not any("src" in given for _, given in parsed.tags)
    assert not any("style" in given for _, given in parsed.tags)
    assert all(href.startswith(("#", "./", "data:,")) for href in parsed.values("href"))
    policy = parsed.having("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    assert policy is not None and policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_every_text_is_hostile(tmp_path: Path) -> None:
    clean = campaign(Sample(cases=4, fail=True))
    content = poisoned(json.loads(clean.model_dump_json(by_alias=True)), HOSTILE)
    for leg in content["legs"]:
        for one in (*leg["cases"], *leg["streams"]):
            one["name"] = HOSTILE
    content["versions"] = {HOSTILE: HOSTILE}
    text = write(CampaignResult.model_validate(content), tmp_path)
    ours, theirs = Parsed(write(clean, tmp_path)), Parsed(text)
    assert theirs.errors == []
    assert len(ours.having("script")) == 3  # the data of two charts, and our own
    assert not any("onload" in given for _, given in theirs.tags)
    assert "<script>alert" not in text and "\x1b" not in text and "\u2028" not in text
    assert "{{ 7*7 }}" in theirs.text
    for tag in ("script", "style", "svg", "tr", "td", "li", "button"):
        assert len(theirs.having(tag)) == len(ours.having(tag)), tag


def test_the_data_of_a_chart_is_json_whatever_names_say(tmp_path: Path) -> None:
    result = campaign(Sample(cases=2))
    leg = result.legs[0]
    named = leg.cases[0].model_copy(update={"name": "</script><!--", "end_ms": math.nan})
    legs = (leg.model_copy(update={"cases": (named, leg.cases[1])}),)
    text = write(result.model_copy(update={"legs": legs}), tmp_path)
    data = re.findall(r'class="moments">(.*?)</script>', text, re.DOTALL)
    assert len(data) == 1 and len(json.loads(data[0])["cases"]) == 1


def bent(value: Any, odd: Callable[[float], float]) -> Any:
    """The same structure with its broken numbers changed."""
    if isinstance(value, dict):
        return {key: bent(child, odd) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return tuple(bent(child, odd) for child in value)
    return odd(value) if isinstance(value, float) else value


@given(st.randoms(use_true_random=False), st.floats(0, 1))
@settings(max_examples=25)
def test_odd_numbers_are_shown_or_left_out(chance: Random, share: float) -> None:
    content = bent(SMALL, lambda value: chance.choice(ODD) if chance.random() < share else value)
    text = page.render("campaign.html.j2", {**filled(content), "evidence": ()})
    drawn = re.sub(r"<script.*?</script>|<style.*?</style>", "", text, flags=re.DOTALL)
    assert Parsed(text).errors == []
    assert not re.search(r"\b(nan|inf|NaN|Infinity)\b", drawn)
    for data in re.findall(r'class="moments">(.*?)</script>', text, re.DOTALL):
        json.loads(data, parse_constant=pytest.fail)


def filled(content: Any) -> dict[str, object]:
    """What the templates get; the other two forms must stand the same numbers."""
    result = CampaignResult.model_validate(content)
    ET.tostring(report.junit(result))
    Console(file=io.StringIO()).print(report.terminal(result))
    return campaign_page.content(result)


def test_huge_texts_and_many_findings_stay_readable(tmp_path: Path) -> None:
    result = campaign(Sample(cases=3))
    flood = result.model_copy(update={"findings": ("x" * MEGABYTE,) * 3000, "verdict": "fail"})
    text = write(flood, tmp_path)
    assert len(text) < MEGABYTE and "(cut: 1,048,576 characters)" in text
    assert "2,800 further findings in summary.json" in text


def test_nothing_ran_is_a_page_too(tmp_path: Path) -> None:
    empty = campaign(Sample(cases=1)).model_copy(update={"legs": (), "verdict": "fail"})
    text = Parsed(write(empty, tmp_path)).text
    assert "No case was run." in text and "failed without saying why" in text


def test_a_thousand_migrations_fit(tmp_path: Path) -> None:
    target = report.write(campaign(Sample(cases=1000)), tmp_path)
    assert target.stat().st_size < 10 * MEGABYTE


def test_evidence_is_linked_by_relative_path(tmp_path: Path) -> None:
    (tmp_path / "hosts").mkdir()
    for name in ("hosts/a b#c.log", "javascript:x", '"><b>.txt'):
        (tmp_path / name).write_text("x")
    (tmp_path / "outside").symlink_to("/etc/hostname")
    parsed = Parsed(write(campaign(Sample(cases=1)), tmp_path))
    links = [href for href in parsed.values("href") if href.startswith("./")]
    assert links == ["./%22%3E%3Cb%3E.txt", "./javascript%3Ax", "./hosts/a%20b%23c.log"]


def test_a_report_is_written_again_over_the_old_one(tmp_path: Path) -> None:
    first = write(campaign(Sample(cases=2)), tmp_path)
    assert write(campaign(Sample(cases=2)), tmp_path) == first
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_missing_value_in_a_template_is_an_error() -> None:
    with pytest.raises(Exception, match="undefined"):
        page.render("base.html.j2", {})


def test_the_demo_has_a_page_of_the_same_parts(tmp_path: Path) -> None:
    summary = demo.Summary.broken("testbed demo", "r", 7, "c", HOSTILE).model_copy(
        update={"phases": (PHASE,) * 5, "migrations": (MOVE,) * 2, "streams": (stream(HOSTILE),)}
    )
    parsed = Parsed(demo.write(summary, tmp_path).read_text())
    assert parsed.errors == []
    sections = [section["id"] for section in parsed.having("section")]
    assert sections == ["findings", "phases", "moves", "streams", "environment"]
    assert len(parsed.having("script")) == 1


def test_stages_of_a_demo_fill_its_time() -> None:
    stages = demo.stages([PHASE, PHASE.model_copy(update={"seconds": math.nan}), PHASE])
    assert [(stage.x, stage.width, stage.height) for stage in stages] == [
        (0, 50, 100),
        (50, 50, 100),
    ]
