"""Where this machine gets its distribution's packages from: its own apt sources, read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.errors import TestbedError

ONE_LINE = re.compile(r"deb\s+(?:\[[^\]]*\]\s+)?\S+\s+(?P<suite>\S+)\s+(?P<components>.+)")
MAIN = "main"


def select(text: str, codename: str, *, deb822: bool) -> Iterator[str]:
    """The entries of a file that are the distribution's own: its release, with a `main`.

    Other archives are left out: an image that is the same on each machine needs nothing of them.
    """
    if deb822:
        stanzas = re.split(r"\n\s*\n", _without_comments(text))
        yield from (f"{stanza.strip()}\n" for stanza in stanzas if _stanza_is_own(stanza, codename))
    else:
        lines = (line.partition("#")[0].strip() for line in text.splitlines())
        yield from (f"{line}\n" for line in lines if _line_is_own(line, codename))


def machines_own(etc_apt: Path, codename: str) -> dict[str, str]:
    """What the distribution's sources say, as files for apt: their names and contents.

    Raises TestbedError when there are none.
    """
    found: dict[str, str] = {}
    for path in (etc_apt / "sources.list", *sorted((etc_apt / "sources.list.d").glob("*"))):
        if path.suffix not in (".list", ".sources") or not path.is_file():
            continue
        separator = "\n" if path.suffix == ".sources" else ""
        entries = select(path.read_text(), codename, deb822=path.suffix == ".sources")
        if chosen := separator.join(entries):
            found[path.name] = chosen
    if not found:
        raise TestbedError(
            "this machine knows no mirror of its distribution",
            where=str(etc_apt),
            why=f"none of its sources has {codename} {MAIN}",
            fix="add one to sources.list, then try again",
        )
    return found


def settings(dump: str) -> str:
    """Of what `apt-config dump` says, how to reach a mirror: proxies, time limits, checks."""
    return "".join(
        f"{line}\n"
        for line in dump.splitlines()
        if re.match(r"Acquire::(http|https|ftp|Check-|Retries|Languages)", line)
    )


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def _line_is_own(line: str, codename: str) -> bool:
    if (found := ONE_LINE.fullmatch(line)) is None:
        return False
    return _is_own((found["suite"],), found["components"].split(), codename)


def _stanza_is_own(stanza: str, codename: str) -> bool:
    pairs = (line.partition(":") for line in stanza.splitlines())
    fields = {name.strip().lower(): value.split() for name, _, value in pairs}
    if "deb" not in fields.get("types", ()) or fields.get("enabled") == ["no"]:
        return False
    return _is_own(fields.get("suites", ()), fields.get("components", ()), codename)


def _is_own(suites: Iterable[str], components: Iterable[str], codename: str) -> bool:
    named = re.compile(rf"{re.escape(codename)}(-(updates|security))?")
    return MAIN in components and any(named.fullmatch(suite) for suite in suites)
