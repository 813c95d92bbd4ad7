"""Spans of time as people write them."""

from __future__ import annotations

import pytest

from harness.model import duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1.5s", 1.5), ("5m", 300), ("5 min", 300), ("2h", 7200), ("1d", 86400)],
)
def test_what_people_write(text: str, seconds: float) -> None:
    assert duration.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "2 weeks", "h", "1e9", "nan", "99999d", "1h30"])
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no span of time"):
        duration.parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(59.6, "1 min 0 s"), (4, "4 s"), (7140, "1 h 59 min"), (90000, "1 d 1 h"), (0.2, "0 s")],
)
def test_what_people_read(seconds: float, text: str) -> None:
    assert duration.short(seconds) == text
