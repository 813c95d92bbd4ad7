"""Tables that a person understands at a glance, on a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.printable import printable
from harness.model.result import Migration, Phase, Stream, Summary


def amount(number: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.2f} GiB"


def table(title: str, *columns: str, caption: str | None = None) -> Table:
    """An empty table; columns that start with ``>`` are numbers and lean right."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    made.caption, made.caption_justify = caption, "left"
    for column in columns:
        made.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    return made


def add(made: Table, *cells: str | Text) -> None:
    """A row. Plain text is shown as it is: much of it comes from guests, none of it is markup."""
    made.add_row(*(c if isinstance(c, Text) else Text(printable(c)) for c in cells))


def phases(rows: tuple[Phase, ...]) -> Table:
    """What each stretch of the run felt like."""
    made = table(
        "What the streams felt",
        *("phase", "path", ">s", ">bytes", ">rate/s", ">stall", ">plain TCP", ">down"),
        caption="stall, plain TCP: the longest one of our streams, and of one beside them; "
        "down: the guest's downtime; all in ms",
    )
    for row in rows:
        add(
            made,
            row.name,
            row.path if row.path != "none" else "",
            f"{row.seconds:.1f}",
            amount(row.bytes),
            amount(row.bytes / max(row.seconds, 0.001)),
            *(f"{row.longest_stall_ms:.0f}", f"{row.probe_stall_ms:.0f}"),
            "" if row.downtime_ms is None else f"{row.downtime_ms:.0f}",
        )
    return made


def streams(rows: tuple[Stream, ...]) -> Table:
    """What became of every byte."""
    made = table(
        "Every byte, checked by offset and content",
        *("stream", "from → to", ">sent", ">verified", ">lost", ">dup", ">reord", ">bad"),
    )
    for row in rows:
        add(
            made,
            Text(printable(row.name), style="" if row.clean else "bold red"),
            f"{row.from_} → {row.to}",
            *(f"{row.bytes_sent:,}", f"{row.bytes_verified:,}"),
            *map(str, (row.lost, row.duplicated, row.reordered, row.corrupted)),
        )
    return made


def migrations(rows: tuple[Migration, ...]) -> Table:
    """Where the time of each move went."""
    made = table(
        "Migrations (ms)",
        *("move", ">total", ">libvirt", ">down", ">out", ">unplug", ">plug", ">back", ">own"),
        ">ring",
        caption="libvirt: its call, down: the guest's downtime in it; out, back: handovers; "
        "own: total less libvirt and (un)plugging; ring: in the rings at the fence",
    )
    for row in rows:
        times = (row.total_ms, row.call_ms, row.downtime_ms, row.handover_out_ms, row.detach_ms)
        more = (row.attach_ms, row.handover_back_ms, row.own_ms)
        add(
            made,
            f"{row.guest} {row.source}→{row.destination}",
            *(f"{value:.0f}" for value in (*times, *more)),
            amount(row.bytes_in_ring_at_fence),
        )
    return made


def open_streams(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Streams that are open now, as the agents see them."""
    columns = ("guest", "peer", "name", "role", "path", ">sent", ">received", ">stall")
    made = table("Streams", *columns, caption="stall: the longest time with data and no progress")
    for row in rows:
        add(
            made,
            *(row["guest"], row["peer"], row["name"], row["role"], row["path"]),
            *(amount(row["sent"]), amount(row["received"])),
            f"{row.get('longest_stall_ms', 0):.0f} ms",
        )
    return made


def grants(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Grants, and what they share now."""
    made = table("Grants", "between", "path", ">size", "region", "host", ">generation")
    for row in rows:
        add(
            made,
            *("-".join(row["between"]), row["path"], amount(row["size"])),
            *(row["region"] or _without_region(row), row["host"] or ""),
            str(row["generation"]),
        )
    return made


def _without_region(row: Mapping[str, Any]) -> str:
    if row["path"] == "none":
        return "none: no link"
    why = "revoked" if row["revoked"] else "released" if row["released"] else "apart"
    return f"none: {why}, on {'TCP' if row['path'] == 'tcp' else row['path']}"


def summary(console: Console, result: Summary, folder: str) -> None:
    """The whole verdict."""
    for made in (phases(result.phases), migrations(result.migrations), streams(result.streams)):
        if made.row_count:
            console.print()
            console.print(made)
    console.print()
    for finding in result.findings:
        console.print(Text(f"✗ {printable(finding)}", style="red"))
    good = result.verdict == "pass"
    boots = ", ".join(f"{name} {ms / 1000:.1f} s" for name, ms in result.boot_ms.items())
    path = " → ".join(result.paths) or "none"
    facts = [f"streams went {path}", result.accelerator, f"boot {boots or 'none'}"]
    console.print(
        Text(f"verdict: {result.verdict}", style="bold green" if good else "bold red"),
        Text(printable("· " + " · ".join([*facts, f"{result.seconds:.0f} s"]))),
        soft_wrap=True,
    )
    console.print(Text(f"evidence: {printable(folder)}"), soft_wrap=True)
