"""The ways to the guests are told to the hosts' agents by each step that changes one. Here they are
told without a step: when a host was gained, and again where somebody could not be told.
"""

from __future__ import annotations

from harness import clock
from harness.testbed.testbed import Testbed
from harness.watch.patience import FIRST_SECONDS, LONGEST_SECONDS


class Ways:
    """Which hosts do not know them. A controller that begins tells all: so it misses nothing of
    what the one before it remembered.
    """

    def __init__(self) -> None:
        self._there: frozenset[str] = frozenset()
        self._untold: frozenset[str] = frozenset()
        self._wait, self._retry = FIRST_SECONDS, clock.Deadline(0.0)

    def tell(self, testbed: Testbed) -> None:
        """Before a look: all hosts are told of all guests, if one that answers was not."""
        there = frozenset(testbed.places)
        self._untold &= there
        if there - self._there or (self._untold and self._retry.expired):
            testbed.routes.tell()
            self._untold = frozenset()
            self.heed(testbed)
            self._wait = self._wait if self._untold else FIRST_SECONDS
        self._there = there

    def heed(self, testbed: Testbed) -> None:
        """After whatever may have told them: who could not be told is told later, ever later while
        that does not help.
        """
        if late := testbed.routes.untold - self._untold:
            self._untold |= late
            self._retry = clock.Deadline(self._wait)
            self._wait = min(2 * self._wait, LONGEST_SECONDS)
