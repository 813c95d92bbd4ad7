"""Tables that a person understands at a glance."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.model.result import Migration, Phase, Stream, Summary


def amount(number: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.2f} GiB"


def table(title: str, *columns: str) -> Table:
    """An empty table; columns that start with ``>`` are numbers and lean right."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    return made


def phases(rows: tuple[Phase, ...]) -> Table:
    """What each stretch of the run felt like."""
    made = table(
        "What the streams felt",
        *("phase", "path", ">seconds", ">bytes", ">rate/s", ">longest stall"),
        *(">plain TCP beside", ">downtime (libvirt)"),
    )
    for row in rows:
        downtime = "" if row.downtime_ms is None else f"{row.downtime_ms:.0f} ms"
        made.add_row(
            row.name,
            row.path if row.path != "none" else "",
            f"{row.seconds:.1f}",
            amount(row.bytes),
            amount(row.bytes / max(row.seconds, 0.001)),
            f"{row.longest_stall_ms:.0f} ms",
            f"{row.probe_stall_ms:.0f} ms",
            downtime,
        )
    return made


def streams(rows: tuple[Stream, ...]) -> Table:
    """What became of every byte."""
    made = table(
        "Every byte, checked by offset and content",
        *("stream", "from → to", ">sent", ">verified", ">lost", ">duplicated", ">reordered"),
        ">corrupted",
    )
    for row in rows:
        made.add_row(
            Text(row.name, style="" if row.clean else "bold red"),
            f"{row.from_} → {row.to}",
            *(f"{row.bytes_sent:,}", f"{row.bytes_verified:,}"),
            *map(str, (row.lost, row.duplicated, row.reordered, row.corrupted)),
        )
    return made


def migrations(rows: tuple[Migration, ...]) -> Table:
    """Where the time of each move went."""
    made = table(
        "Migrations (milliseconds)",
        *("guest", "route", ">total", ">libvirt", ">downtime", ">handover out", ">unplug"),
        *(">plug", ">handover back", ">our own", ">in ring at fence"),
    )
    for row in rows:
        times = (row.total_ms, row.call_ms, row.downtime_ms, row.handover_out_ms, row.detach_ms)
        more = (row.attach_ms, row.handover_back_ms, row.own_ms)
        made.add_row(
            row.guest,
            f"{row.source} → {row.destination}",
            *(f"{value:.0f}" for value in (*times, *more)),
            amount(row.bytes_in_ring_at_fence),
        )
    return made


def summary(console: Console, result: Summary, folder: str) -> None:
    """The whole verdict."""
    for made in (phases(result.phases), migrations(result.migrations), streams(result.streams)):
        if made.row_count:
            console.print()
            console.print(made)
    console.print()
    for finding in result.findings:
        console.print(Text(f"✗ {finding}", style="red"))
    good = result.verdict == "pass"
    boots = ", ".join(f"{name} {ms / 1000:.1f} s" for name, ms in result.boot_ms.items())
    path = " → ".join(result.paths) or "none"
    console.print(
        Text(f"verdict: {result.verdict}", style="bold green" if good else "bold red"),
        f"· streams went {path} · {result.accelerator} · boot {boots} · {result.seconds:.0f} s",
        highlight=False,
    )
    console.print(f"evidence: {folder}", highlight=False)
