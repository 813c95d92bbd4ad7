"""Live progress of a stress run: the bring-up as ever, then a line per case."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from harness.cli.progress import Progress
from harness.events import Event
from harness.model.campaign_result import Case

QUIET = ("move", "migrate", "handover", "share", "part", "rollback")
MARKS = {
    "pass": "[green]✓[/]",
    "refused": "[green]✓[/]",
    "fail": "[red]✗[/]",
    "broken": "[red]✗[/]",
}


class StressProgress(Progress):
    """Shows a case when it ended; what goes on inside one is in events.jsonl."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._in_leg = False

    def show(self, event: Event) -> None:
        """One event."""
        name, _, edge = event.name.rpartition(".")
        if name == "leg":
            self._in_leg = edge == "begin"
        if event.name == "case.begin":
            self._running.append(f"case {event.fields['index']}: {event.fields['what']}")
            self._spin()
        elif event.name == "case":
            self._running.clear()
            case = Case.model_validate(event.fields["case"])
            self._case(case, event.fields["leg"], event.fields["migrations"])
        elif not (self._in_leg and name in QUIET):
            super().show(event)

    def _case(self, case: Case, leg: str, migrations: int) -> None:
        seconds = (case.end_ms - case.begin_ms) / 1000
        what = f"{leg} {case.index}: {case.name}" + (", refused" * (case.verdict == "refused"))
        self._console.print(
            f"{MARKS[case.verdict]} {escape(what):<62} [dim]{seconds:5.2f} s {migrations:4}[/]",
            highlight=False,
        )
        said = [case.said] if case.verdict == "refused" and case.said else []
        for line in (*said, *case.findings):
            self._console.print(f"    {escape(line)}", highlight=False, soft_wrap=True)
