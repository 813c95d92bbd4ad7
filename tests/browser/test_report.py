"""The report in a real browser: it is silent, asks nobody, fits every screen, and works."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.report import demo
from tests.browser.chromium import Page
from tests.unit.cli.test_show import MOVE, PHASE, stream

Reports = dict[str, Path]
ROWS = "[...document.querySelector('#cases-table').tBodies]"
SHOWN = f"{ROWS}.filter(body => !body.hidden)"
OVERFLOW = """[...document.querySelectorAll("body *")].filter(one => {
  const box = one.getBoundingClientRect();
  return box.right > innerWidth + 1 && box.width > 0 && !one.closest(".wide, .hush, .skip, svg");
}).map(one => one.tagName + "." + one.className)"""


def column(name: str) -> str:
    """The values of one column, as the table sorts them."""
    return f"""(() => {{
      const heads = [...document.querySelectorAll("#cases-table thead th")];
      const column = heads.findIndex(head => head.textContent.trim() === "{name}");
      return {ROWS}.map(body => body.rows[0].cells[column].dataset.v);
    }})()"""


def click(selector: str, text: str = "") -> str:
    """A click on the first element of that selector with that text."""
    return f"""[...document.querySelectorAll(`{selector}`)]
      .find(one => one.textContent.includes(`{text}`)).click()"""


@pytest.mark.parametrize("name", ["small", "failed", "large"])
def test_a_report_opens_without_a_word_and_asks_nobody(
    tab: Page, reports: Reports, name: str
) -> None:
    tab.look(1400)
    tab.open(reports[name])
    assert tab.complaints() == []
    assert tab.requests() == [reports[name].resolve().as_uri()]
    assert tab.run("document.documentElement.className") == ""


def test_what_is_slipped_in_neither_runs_nor_reaches_out(
    tab: Page, reports: Reports, tmp_path: Path
) -> None:
    text = reports["small"].read_text()
    script = '<script>document.title = "ran"</script>'
    bad = script + '<img src="http://127.0.0.1:9/x"><i style="color:red">'
    target = tmp_path / "report.html"
    target.write_text(text.replace("</main>", f"{bad}</main>"))
    tab.open(target)
    assert tab.run("document.title") != "ran"
    assert len([said for said in tab.complaints() if "Content Security Policy" in said]) >= 3


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 768, 1400])
def test_nothing_sticks_out_of_any_screen(
    tab: Page, reports: Reports, width: int, dark: bool
) -> None:
    tab.look(width, dark=dark)
    for name in ("small", "failed"):
        tab.open(reports[name], "#grants-2")
        assert tab.run("document.documentElement.scrollWidth") == width
        assert tab.run(OVERFLOW) == []
        assert tab.run("document.querySelector('#grants-2-more').hidden") is False


def test_dark_is_dark_and_readable(tab: Page, reports: Reports) -> None:
    colours = "['color', 'backgroundColor'].map(of => getComputedStyle(document.body)[of])"
    tab.look(1400)
    tab.open(reports["small"])
    ink, paper = tab.run(colours)
    tab.look(1400, dark=True)
    dark_ink, dark_paper = tab.run(colours)
    assert brightness(paper) > 200 > 60 > brightness(ink)
    assert brightness(dark_ink) > 200 > 60 > brightness(dark_paper)


def brightness(colour: str) -> float:
    """Of `rgb(r, g, b)`: their mean."""
    return sum(map(int, colour.strip("rgb()").split(","))) / 3


def test_the_table_sorts_both_ways_and_keeps_unknown_at_the_end(
    tab: Page, reports: Reports
) -> None:
    tab.open(reports["failed"])
    slowest = [float(value) for value in tab.run(column("total"))]
    assert slowest == sorted(slowest, reverse=True)
    tab.run(click("#cases-table thead button", "libvirt"))
    down = tab.run(column("libvirt"))
    known = [float(value) for value in down if value]
    assert known == sorted(known, reverse=True) and "" not in down[: len(known)] and "" in down
    tab.run(click("#cases-table thead button", "libvirt"))
    assert [float(value) for value in tab.run(column("libvirt")) if value] == sorted(known)
    head = "document.querySelector('#cases-table th[aria-sort]')"
    assert tab.run(f"[{head}.textContent, {head}.ariaSort]") == ["libvirt", "ascending"]


def test_sorting_a_long_table_takes_in_what_was_not_shown(tab: Page, reports: Reports) -> None:
    tab.open(reports["large"])
    assert tab.run(f"{ROWS}.length") < 100
    tab.run(click("#cases-table thead button", "began"))
    began = [float(value) for value in tab.run(column("began"))]
    assert len(began) == 1250 and began == sorted(began, reverse=True)


def test_filters_narrow_the_table_and_say_how_far(tab: Page, reports: Reports) -> None:
    tab.open(reports["large"])

    def choose(name: str, value: str) -> list[str]:
        tab.run(f"""(() => {{
          const field = document.querySelector(".filters [name={name}]");
          field.value = "{value}";
          field.dispatchEvent(new Event("input", {{ bubbles: true }}));
        }})()""")
        return [str(one) for one in tab.run(f"{SHOWN}.map(body => body.id)")]

    assert set(choose("verdict", "fail")) == {"grants-2"}
    assert tab.run("document.querySelector('.tally').textContent") == "1 of 1250 cases"
    assert len(choose("verdict", "")) == 1250
    assert len(choose("modes", "postcopy")) == 157
    assert len(choose("scenario", "opposite")) == 0
    assert len(choose("modes", "")) == 156
    assert len(choose("text", "no such thing")) == 0


def test_a_row_unfolds_and_its_command_can_be_copied(tab: Page, reports: Reports) -> None:
    tab.open(reports["failed"])
    button = "document.querySelector('#grants-2 .unfold')"
    assert tab.run(f"{button}.getAttribute('aria-expanded')") == "false"
    tab.run(f"{button}.focus()")
    for kind in ("keyDown", "keyUp"):
        enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        tab.ask("Input.dispatchKeyEvent", type=kind, **enter)
    assert tab.run(f"{button}.getAttribute('aria-expanded')") == "true"
    assert tab.run("document.querySelector('#grants-2-more').innerText").count("handover out") == 1
    tab.run(click("#grants-2-more .copy"))
    tab.run("new Promise(done => setTimeout(done))")
    assert tab.run("document.querySelector('#grants-2-more .copy').textContent") == "copied"
    assert tab.complaints() == []


def test_a_link_leads_to_a_case_that_was_not_shown_yet(tab: Page, reports: Reports) -> None:
    tab.look(1400)
    tab.open(reports["large"])
    tab.run(click("#findings a", "grants 2,"))
    seen = "document.querySelector('#grants-2').getBoundingClientRect().top"
    tab.run("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    assert 0 <= tab.run(seen) < 900


def test_the_chart_zooms_and_tells_what_happened(tab: Page, reports: Reports) -> None:
    tab.look(1400)
    tab.open(reports["failed"])
    box = "document.querySelector('.zoom').getAttribute('viewBox')"
    readout = "document.querySelector('.readout').textContent"
    tab.run(f"{ROWS}.find(body => body.id === 'grants-2').querySelector('.locate').click()")
    begin, _, width, height = map(float, tab.run(box).split())
    assert begin > 0 and width < 2000 and height == 100
    assert "ping-pong g2, away (fail): handover out" in tab.run(readout)
    assert "path shm" in tab.run(readout)
    tab.ask("Input.dispatchKeyEvent", type="keyDown", key="Home", code="Home")
    assert tab.run(box) == "0 0 10000 100"
    tab.ask("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight", code="ArrowRight")
    assert "MiB/s" in tab.run("document.querySelector('.row-name output').textContent")


def test_pointing_and_dragging_zooms_to_what_was_dragged(tab: Page, reports: Reports) -> None:
    tab.look(1400)
    tab.open(reports["failed"])
    tab.run("document.querySelector('.drawings').scrollIntoView({block: 'center'})")
    left, top, width = tab.run("""(() => {
      const box = document.querySelector(".drawings").getBoundingClientRect();
      return [box.left, box.top + 60, box.width];
    })()""")
    for kind, share in (("mousePressed", 0.25), ("mouseMoved", 0.4), ("mouseReleased", 0.5)):
        at = {"x": left + share * width, "y": top, "button": "left", "buttons": 1}
        tab.ask("Input.dispatchMouseEvent", type=kind, clickCount=1, **at)
    begin, _, length, _ = map(
        float, tab.run("document.querySelector('.zoom').getAttribute('viewBox')").split()
    )
    assert (begin, length) == (pytest.approx(2500, abs=30), pytest.approx(2500, abs=30))


def test_without_scripts_the_slowest_cases_are_readable(tab: Page, reports: Reports) -> None:
    tab.ask("Emulation.setScriptExecutionDisabled", value=True)
    tab.look(1400)
    tab.open(reports["large"])
    tree = tab.ask("DOM.getDocument", depth=0)["root"]["nodeId"]
    more = tab.ask("DOM.querySelector", nodeId=tree, selector=".more")["nodeId"]
    assert tab.ask("DOM.getBoxModel", nodeId=more)["model"]["height"] > 50


def test_the_demo_page_is_as_silent_and_as_narrow(tab: Page, tmp_path: Path) -> None:
    summary = demo.Summary.broken("testbed demo", "r", 7, "c", "it broke").model_copy(
        update={"phases": (PHASE,) * 5, "migrations": (MOVE,) * 2, "streams": (stream("s1"),)}
    )
    target = demo.write(summary, tmp_path)
    for width in (360, 1400):
        tab.look(width)
        tab.open(target)
        assert tab.run("document.documentElement.scrollWidth") == width
        assert tab.run(OVERFLOW) == [] and tab.complaints() == []
