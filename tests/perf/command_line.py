"""How long `testbed --help` takes beside a typer program with two commands: whole processes,
started in turn.

``python -m tests.perf.command_line [PAIRS]`` prints medians and their ratio; the goal is ≤ 1.3.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median

from harness import clock, run

TESTBED = Path(sys.executable).parent / "testbed"
TWO_COMMANDS = """\
import typer

app = typer.Typer(help="Two commands.", add_completion=False)


@app.command()
def one(name: str, loud: bool = False) -> None:
    "The first one."


@app.command()
def two(number: int = 3) -> None:
    "The second one."


app()
"""


def seconds(argv: list[str]) -> float:
    """From the start of a process to its end."""
    begun = clock.now()
    run.run(argv)
    return clock.now() - begun


def measure(pairs: int) -> list[tuple[float, float]]:
    """Ours and the baseline's, side by side in time; the first pair only warms the caches."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "two.py"
        program.write_text(TWO_COMMANDS)
        baseline = [sys.executable, str(program), "--help"]
        found = [(seconds([str(TESTBED), "--help"]), seconds(baseline)) for _ in range(pairs + 1)]
    return found[1:]


def main(pairs: int = 25) -> None:
    """Print the two medians, and the median of the pairs' ratios."""
    found = measure(pairs)
    ours, theirs = (median(pair[side] for pair in found) * 1000 for side in (0, 1))
    ratio = median(first / second for first, second in found)
    print(f"testbed --help {ours:.0f} ms, two commands {theirs:.0f} ms, {pairs} pairs")
    print(f"ratio {ratio:.2f} (goal ≤ 1.3)")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
