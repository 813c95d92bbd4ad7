"""Going inside a testbed's lab before what is heavy to import: outside it would be for nothing."""

from __future__ import annotations


def entered(name: str, patience: float | None = None) -> None:
    """Go on inside the lab of that name, if one runs here; `harness.cli.inside.enter` says how."""
    from harness.cli import inside

    inside.enter(name, patience)
