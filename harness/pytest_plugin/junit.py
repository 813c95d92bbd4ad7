"""What stands in junit.xml beside the tests: on what they ran, and where their evidence is.

`record_testsuite_property` does not cross the workers of pytest-xdist. So each test carries its
properties in its report, and the process that writes the file collects them for the suite.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from _pytest.junitxml import xml_key

from harness.pytest_plugin.ordering import distinct

PREFIX = "testbed."


def attach(item: pytest.Item, properties: Mapping[str, str]) -> None:
    """Give a test these properties, their names behind our prefix."""
    for name, value in properties.items():
        item.user_properties.append((PREFIX + name, value))


class Properties:
    """Collects the properties of all tests, for the suite; a plugin of its own."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.found: dict[str, list[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A part of a test has ended, here or in a worker."""
        if report.when == "teardown":
            for name, value in report.user_properties:
                if name.startswith(PREFIX):
                    self.found.setdefault(name, []).append(str(value))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Before the file is written."""
        xml = self._config.stash.get(xml_key, None)
        if xml is not None:
            for name, values in self.found.items():
                xml.add_global_property(name, "; ".join(distinct(values)))
