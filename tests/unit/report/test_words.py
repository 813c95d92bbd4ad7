"""Numbers and texts for people."""

from __future__ import annotations

import math

import pytest

from harness.report import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (math.nan, "–"),
        (-math.inf, "–"),
        (0.0, "0"),
        (0.44, "0.4"),
        (7.25, "7.2"),
        (143.4, "143"),
        (12345.6, "12,346"),
        (1e300, "1e+300"),
    ],
)
def test_numbers(value: float | None, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (1023, "1,023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB"), (None, "–")],
)
def test_amounts(value: float | None, text: str) -> None:
    assert words.amount(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7_400, "0:07.4"),
        (59_960, "1:00.0"),
        (754_500, "12:34.5"),
        (3_723_400, "1:02:03.4"),
        (math.nan, "–"),
    ],
)
def test_points_of_time(value: float, text: str) -> None:
    assert words.at(value) == text


def test_a_text_cannot_steer_what_shows_it() -> None:
    assert words.shown("a\x1b[2Jb\u202ec\nd") == "a\\x1b[2Jb\\u202ec\nd"


def test_an_endless_text_is_cut_and_says_so() -> None:
    assert words.shown("x" * 10_000_000).endswith("… (cut: 10,000,000 characters)")
    assert words.shown("x" * words.TEXT_MOST) == "x" * words.TEXT_MOST
