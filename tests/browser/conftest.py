"""A browser for all tests of a module, a tab for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import report
from tests.browser import chromium
from tests.browser.chromium import Chromium, Page
from tests.report_samples import Sample, campaign


@pytest.fixture(scope="module")  # it ends before tests that look for what is left
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    if not chromium.PROGRAM:
        pytest.skip("Chromium is not installed here")
    with chromium.chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def tab(browser: Chromium) -> Page:
    return Page(browser)


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports by the name of what they are like."""
    samples = {
        "small": Sample(cases=3),
        "failed": Sample(cases=24, fail=True),
        "large": Sample(cases=1000, fail=True),
    }
    return {
        name: report.write(campaign(sample), tmp_path_factory.mktemp(name))
        for name, sample in samples.items()
    }
