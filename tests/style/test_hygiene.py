from __future__ import annotations

from pathlib import Path

import pytest

from tests.style import hygiene, tree

# These two name what is forbidden, to forbid it.
ABOUT_THE_RULE = (Path("tests/style/hygiene.py"), Path("tests/style/test_hygiene.py"))


def test_no_file_holds_what_no_file_may_hold() -> None:
    tree.expect_none(
        violation
        for path in tree.files()
        if path not in ABOUT_THE_RULE
        for violation in hygiene.violations(path, tree.text(path))
    )


@pytest.mark.parametrize(
    "source",
    [
        "# TODO: later\n",
        "x = 1  # FIXME\n",
        "cache = '/home/ann/cache'\n",
        "cd /work/tree\n",
        "<<<<<<< HEAD\n",
        "x = 1 \n",
        "x = 1",
    ],
)
def test_a_forbidden_piece_is_seen(source: str) -> None:
    assert list(hygiene.violations(Path("x.py"), source))


@pytest.mark.parametrize(
    "source", ["mktemp /tmp/x.XXXXXX\n", "path = root / 'home/ann'\n", "see guest/work/queue\n", ""]
)
def test_innocent_text_passes(source: str) -> None:
    assert not list(hygiene.violations(Path("x.py"), source))
