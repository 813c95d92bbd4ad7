"""How large a report of many migrations is, and how long a browser takes to open it.

``python -m tests.perf.report [CASES] [ROUNDS]`` prints the median; it needs Chromium.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median

from harness import clock, report
from tests.browser.chromium import Page, chromium
from tests.report_samples import Sample, campaign

PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"


def opened(page: Page, target: Path) -> tuple[float, float]:
    """Seconds to the load event as we see it, and to the first paint as the browser says."""
    begun = clock.now()
    page.open(target)
    loaded = clock.now() - begun
    page.run("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    return loaded, float(page.run(PAINTED)) / 1000


def main() -> None:
    """Make a report, and open it again and again."""
    given = dict(enumerate(map(int, sys.argv[1:])))
    cases, rounds = given.get(0, 1000), given.get(1, 5)
    with tempfile.TemporaryDirectory() as folder, chromium(Path(folder, "profile")) as browser:
        begun = clock.now()
        target = report.write(campaign(Sample(cases=cases)), Path(folder))
        made = clock.now() - begun
        page = Page(browser)
        page.look(1400)
        times = [opened(page, target) for _ in range(rounds)]
        size = target.stat().st_size / 2**20
    loaded, painted = (median(column) for column in zip(*times, strict=True))
    print(f"{cases} cases and their control: {size:.1f} MiB, made in {made:.1f} s")
    print(f"loaded in {loaded:.2f} s, first paint after {painted:.2f} s: median of {rounds}")


if __name__ == "__main__":
    main()
