"""The rules are worth nothing when they look at no file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.style import tree


@pytest.mark.parametrize(
    ("suffix", "below", "name"),
    [
        (".py", "harness", "harness/errors.py"),
        (".py", "tests", "tests/style/tree.py"),
        (".h", "guest-agent", "guest-agent/src/abi/region.h"),
        (".c", "workloads", "workloads/"),
        (".yml", "playbooks", "playbooks/host.yml"),
        (".md", ".", "CHANGELOG.md"),
    ],
)
def test_the_walk_sees_every_kind_of_source(suffix: str, below: str, name: str) -> None:
    assert any(str(path).startswith(name) for path in tree.files(suffix, below=below))


def test_the_walk_sees_scripts_without_a_suffix() -> None:
    assert {Path(".ci/run"), Path("scripts/setup.sh")} <= set(tree.shell_scripts())


@pytest.mark.parametrize("folder", [".venv", "build", "build-san", ".mypy_cache", "x.egg-info"])
def test_what_is_built_is_not_ours(folder: str) -> None:
    assert not tree.is_ours(folder)


def test_a_violation_fails_the_test() -> None:
    with pytest.raises(pytest.fail.Exception, match="one\ntwo"):
        tree.expect_none(["two", "one"])
