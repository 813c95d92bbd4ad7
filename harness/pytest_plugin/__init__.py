"""The pytest plugin: a testbed as a fixture.

What a test may import::

    from harness.pytest_plugin import Testbed, intact

Tests run in pytest's own process; the testbed's hosts are reached by a helper inside its lab.
"""

from harness.pytest_plugin.api import ExpectationFailed, Guest, Host, Testbed
from harness.pytest_plugin.invariants import Invariant, PromiseBroken, intact, stall_below
from harness.pytest_plugin.traffic import Traffic

__all__ = [
    "ExpectationFailed",
    "Guest",
    "Host",
    "Invariant",
    "PromiseBroken",
    "Testbed",
    "Traffic",
    "intact",
    "stall_below",
]
