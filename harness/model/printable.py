"""What others wrote, made safe to show: a guest must not steer a terminal or a page."""

from __future__ import annotations


def printable(text: object) -> str:
    """The text with every control character written out, but for the ends of lines."""
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode()
        for c in str(text)
    )
