"""The nearest valid word, for whoever mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SHOWN = 12


def hint(word: str, valid: Iterable[str], kind: str) -> str:
    """The nearest of the valid words, else the valid words; `kind` is what they are, in plural."""
    words = list(valid)
    near = difflib.get_close_matches(word, words, 1, 0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    more = ", …" if len(words) > SHOWN else ""
    return f"valid {kind} are {', '.join(words[:SHOWN])}{more}" if words else f"there are no {kind}"
