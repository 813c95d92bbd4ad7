"""One HTML file that needs nothing else: templates, style and script in one text."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.report import words
from harness.report.cases import sort_value
from harness.report.evidence import files

STYLES = ("page.css", "charts.css", "tables.css", "print.css")
SCRIPTS = ("chart.js", "table.js", "page.js")
FILTERS = (words.number, words.amount, words.rate, words.at, words.shown, words.lasting)


def render(template: str, content: Mapping[str, object]) -> str:
    """The whole page. Every text in `content` is escaped where it is put."""
    style, script = _assets(STYLES), _assets(SCRIPTS)
    page = _environment().get_template(template)
    return page.render(
        content, style=style, script=script, style_hash=_hash(style), script_hash=_hash(script)
    )


def save(template: str, content: Mapping[str, object], run: Path, page: Path) -> Path:
    """Render with links to the run's evidence, and put the page in place in one step."""
    text = render(template, {**content, "evidence": files(run, page)})
    fresh = page.with_name(page.name + ".new")
    fresh.write_text(text, encoding="utf-8", newline="\n")
    return fresh.replace(page)


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {one.__name__: one for one in (*FILTERS, words.plural, sort_value)}
    return made


def _assets(names: tuple[str, ...]) -> Markup:
    """Our own files, one after the other: the only text of a page that is not escaped."""
    folder = resources.files("harness.report") / "assets"
    return Markup("".join((folder / name).read_text(encoding="utf-8") for name in names))


def _hash(text: str) -> str:
    """What the page's own policy names: no other style or script may run in it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
