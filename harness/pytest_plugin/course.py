"""The course of one test: may it run, what it finds, what its guests said, where evidence lies."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from harness.errors import TestbedError, UsageError
from harness.evidence.evidence import CONSOLE_ALARMS
from harness.pytest_plugin import junit, shared
from harness.pytest_plugin.requirements import Needs, lacking

CONSOLE_MARKER, NEEDS_MARKER = "testbed_console", "testbed_needs"


class Refusal:
    """Before the fixtures. A plugin of its own: a hook of one name is twice in a test's course."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip what cannot run here, and what would only meet a testbed known to be broken."""
        if not shared.uses(item):
            return
        topology = shared.topology(item)
        if why := lacking(_needs(item), topology):
            pytest.skip(why)
        if why := shared.session(item.config).broken(topology):
            pytest.skip(f"the testbed is broken: {why.splitlines()[0]}")


class Course:
    """From where its fixtures stand to where they end."""

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """The fixtures stand: the test begins."""
        if not shared.uses(item):
            return
        session = shared.session(item.config)
        if _needs(item).kvm:
            session.require_kvm()
        try:
            acting = session.begin(item.nodeid, _alarms(item))
        except TestbedError as error:
            pytest.fail(str(error), pytrace=False)
        if acting is not None:
            junit.attach(item, {**acting.facts, "seed": str(session.settings.seed)})

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """The test acts; then its guests' consoles are heard."""
        if not shared.uses(item):
            return (yield)
        try:
            yield
        except Exception as error:
            if said := _heard(item):
                error.add_note(said)
            raise
        if said := _heard(item):
            pytest.fail(said, pytrace=False)
        return None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, None, None]:
        """Guests go back to where the test found them; then its fixtures end."""
        trouble = ""
        if shared.uses(item):
            try:
                shared.session(item.config).put_back()
            except TestbedError as error:
                trouble = str(error)
        yield
        if trouble:
            pytest.fail(f"the guests cannot be put back: {trouble}", pytrace=False)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Evidence is saved while all is as the failure left it; the report names its place."""
        report = yield
        if report.failed and shared.uses(item):
            session = shared.session(item.config)
            said = session.failed(item.nodeid, call.excinfo.value if call.excinfo else None)
            if said:
                report.sections.append(("testbed", said))
                junit.attach(item, {"evidence": str(session.folder)})
                report.user_properties = item.user_properties
        return report


def _heard(item: pytest.Item) -> str:
    """What is wrong with what its guests' consoles said; empty when nothing is."""
    try:
        shared.session(item.config).listen(_alarms(item), "during the test")
    except TestbedError as error:
        return str(error)
    return ""


def _needs(item: pytest.Item) -> Needs:
    """What a test's markers ask for; the closest one counts."""
    markers = reversed(list(item.iter_markers(NEEDS_MARKER)))
    try:
        return Needs.of({key: value for mark in markers for key, value in mark.kwargs.items()})
    except UsageError as error:
        pytest.fail(str(error), pytrace=False)


def _alarms(item: pytest.Item) -> tuple[str, ...]:
    """The words on a console that fail this test."""
    marker = item.get_closest_marker(CONSOLE_MARKER)
    if marker is None:
        return CONSOLE_ALARMS
    ignored = marker.kwargs.get("ignore", marker.args) or CONSOLE_ALARMS
    words = (ignored,) if isinstance(ignored, str) else tuple(ignored)
    return tuple(alarm for alarm in CONSOLE_ALARMS if alarm not in words)
