"""Which end of a copy is where, and under which name a file arrives."""

from __future__ import annotations

import pytest

from harness.cli import copying
from harness.cli.copying import End
from harness.errors import UsageError


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("g1:/tmp/x", End("g1", "/tmp/x")),
        ("g1:", End("g1", "")),
        ("x", End("", "x")),
        ("./a:b", End("", "./a:b")),
        ("A:/x", End("", "A:/x")),
    ],
)
def test_a_name_and_a_colon_lead_away(text: str, end: End) -> None:
    assert End.parse(text) == end


@pytest.mark.parametrize(
    ("source", "destination"),
    [("a", "b"), ("g1:/a", "g2:/b"), ("a", "g1:b"), ("g1:", "a")],
)
def test_what_leads_nowhere_is_refused(source: str, destination: str) -> None:
    with pytest.raises(UsageError):
        copying.copy("lab", source, destination)


def test_a_file_goes_into_a_folder_under_its_own_name() -> None:
    assert copying._named("/tmp/", "f", lambda _: False) == "/tmp/f"
    assert copying._named("/tmp", "f", lambda _: True) == "/tmp/f"
    assert copying._named("/tmp/g", "f", lambda _: False) == "/tmp/g"
