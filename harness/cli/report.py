"""A saved run shown again: on the terminal, and as a page."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness.cli import show
from harness.cli.printable import printable
from harness.model.campaign_result import CampaignResult
from harness.report import saved, terminal


def report(place: Path, output: Path | None) -> None:
    """Render it again. Raises UsageError when there is nothing that can be rendered."""
    result, run = saved.load(place)
    page = saved.render_again(result, run, output)
    console = Console()
    if isinstance(result, CampaignResult):
        console.print(terminal(result), crop=False)
    else:
        show.summary(console, result, str(run))
    console.print(Text(f"report: {printable(page)}"), soft_wrap=True)
