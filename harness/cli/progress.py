"""Live progress from events: a spinner on a terminal, plain lines elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.text import Text

from harness.cli import deadline
from harness.events import Event, EventLog

SENTENCES = {
    "image": "guest image",
    "image.root": "  packages of the image debian",
    "image.disk": "  disk of the image debian",
    "lab.start": "lab: namespaces and sshd of {hosts}",
    "reach": "reach {hosts}",
    "provision": "provision {hosts}",
    "images": "kernel and initrd to the hosts",
    "accelerator": "accelerator",
    "boot": "boot {guest} on {host}",
    "link": "introduce {grant}",
    "share": "share memory: {grant}",
    "part": "stop sharing: {grant}",
    "handover": "  handover {grant} → {to}",
    "traffic.start": "start the streams",
    "phase": "full load, {phase}",
    "move": "move {guest}: {source} → {destination}",
    "migrate": "  live migration of {guest}",
    "rollback": "roll back {guest}",
    "traffic.stop": "stop the streams and verify",
    "control.boot": "fresh guests without grants",
    "evidence": "collect logs",
    "destroy": "take everything off {host}",
    "probe": "probe guest on {host}",
    "pair": "ways from {one} to {other}",
    "lab.stop": "take everything down",
}
REMARKS = {"boot.waits": "  {guest} still boots: {said}"}
NOTICES = (
    "degraded",
    "prepare.failed",
    "rollback.failed",
    "cleanup.failed",
    "evidence.missing",
    "stream.unfinished",
)


class Progress:
    """Subscribes to an event log and shows each span while it runs and when it ended."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._running: list[str] = []
        self._status: Status | None = None

    def watch(self, events: EventLog) -> None:
        """Show what happens from now on."""
        events.subscribe(self.show)
        deadline.tell(lambda: ", ".join(sentence.strip() for sentence in self._running))

    def show(self, event: Event) -> None:
        """One event."""
        name, _, edge = event.name.rpartition(".")
        if name in SENTENCES and edge in ("begin", "end", "failed"):
            self._span(_sentence(name, event), edge, event)
        elif event.name in REMARKS:
            remark = Text(REMARKS[event.name].format(**event.fields), "dim")
            self._console.print(remark, no_wrap=True, overflow="ellipsis")
        elif event.name in NOTICES:
            self._console.print(f"  [yellow]![/] {escape(str(event.fields))}", highlight=False)

    def _span(self, sentence: str, edge: str, event: Event) -> None:
        if edge == "begin":
            self._running.append(sentence)
        else:
            if sentence in self._running:
                self._running.remove(sentence)
            self._finished(sentence, edge == "end", float(event.fields["seconds"]))
        self._spin()

    def _finished(self, sentence: str, good: bool, seconds: float) -> None:
        mark = "[green]✓[/]" if good else "[red]✗[/]"
        self._console.print(
            f"{mark} {escape(sentence):<52} [dim]{seconds:6.2f} s[/]", highlight=False
        )

    def _spin(self) -> None:
        if not self._console.is_terminal:
            return
        if self._running and self._status is None:
            self._status = self._console.status("")
            self._status.start()
        if self._status is not None:
            self._status.update(escape(", ".join(s.strip() for s in self._running[-3:])))
        if not self._running:
            self.stop()

    def stop(self) -> None:
        """Take the spinner away."""
        if self._status is not None:
            self._status.stop()
            self._status = None


def _sentence(name: str, event: Event) -> str:
    fields = {
        key: ", ".join(map(str, value)) if isinstance(value, list) else value
        for key, value in event.fields.items()
    }
    return SENTENCES[name].format_map({**dict.fromkeys(_KEYS, "?"), **fields})


_KEYS = ("hosts", "guest", "host", "grant", "to", "phase", "source", "destination", "one", "other")
