"""What every command has: a deadline, exit codes for git bisect, and environment variables."""

from __future__ import annotations

import inspect
import sys
from types import SimpleNamespace
from typing import get_args

import pytest
import typer

from harness import __main__ as entrance
from harness.cli.commands import app
from harness.errors import INTERRUPTED
from harness.model.topology import lab_topology
from harness.testbed.lock import exclusive
from harness.testbed.record import TestbedRecord
from tests.unit.cli.conftest import Command


def commands() -> list[typer.models.CommandInfo]:
    groups = [group.typer_instance for group in app.registered_groups]
    return [command for group in groups if group for command in group.registered_commands]


@pytest.mark.parametrize("command", commands(), ids=lambda c: c.name or c.callback.__name__)
def test_every_flag_has_a_variable(command: typer.models.CommandInfo) -> None:
    assert command.callback is not None
    parameters = inspect.signature(command.callback).parameters
    assert {"timeout", "bisect"} <= set(parameters)
    for parameter in parameters.values():
        for info in get_args(parameter.annotation)[1:]:
            if isinstance(info, typer.models.OptionInfo) and not info.hidden:
                assert str(info.envvar).startswith("TESTBED_"), parameter


def test_a_variable_stands_for_its_flag(testbed: Command) -> None:
    assert testbed("ls", TESTBED_LS_JSON="1").stdout == "[]\n"
    done = testbed("ls", TESTBED_TIMEOUT="soon")
    assert done.returncode == 2 and "TESTBED_TIMEOUT" in done.stderr


def test_the_deadline_ends_a_command_and_says_so(testbed: Command) -> None:
    TestbedRecord.new(lab_topology(), "digest").write()
    with exclusive("lab"):
        done = testbed("down", "--timeout", "1s")
        skipped = testbed("down", "--timeout", "1s", "--bisect")
        other = testbed("down", TESTBED_TIMEOUT="1s", TESTBED_BISECT="1")
    assert (done.returncode, skipped.returncode, other.returncode) == (69, 125, 125)
    assert "--timeout 1 s has passed during: testbed down" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_that_is_in_time_does_not_notice(testbed: Command) -> None:
    assert testbed("ls", "--json", "--timeout", "60s").stdout == "[]\n"


def test_bisect_stops_at_what_no_commit_can_help(testbed: Command) -> None:
    assert testbed("down", "absent", "--bisect").returncode == 128
    assert testbed("lss", "--bisect").returncode == 128
    assert testbed("ls", "--bisect").returncode == 0
    assert testbed("exec", "g1", "--", "true", "--bisect").returncode == 2


def test_ctrl_c_before_it_has_begun_shows_no_insides(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str, *_: object) -> None:
        if name == "harness.cli.main":
            raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "harness.cli.main", raising=False)
    monkeypatch.setattr(sys, "meta_path", [SimpleNamespace(find_spec=interrupted), *sys.meta_path])
    with pytest.raises(SystemExit) as end:
        entrance.main()
    assert end.value.code == INTERRUPTED
