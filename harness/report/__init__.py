"""Reports of runs: a page, a JUnit file, a summary for a terminal. Nothing here talks to hosts."""

from harness.report.campaign import write
from harness.report.suite import junit, write_junit
from harness.report.terminal_summary import terminal

__all__ = ["junit", "terminal", "write", "write_junit"]
