"""The linters: each must be content with the tree, and must object to a bad snippet."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.config import REPOSITORY
from harness.run import run
from tests.style import tree

PROGRAMS = Path(sys.executable).parent
REQUIRED_C_FLAGS = {"-std=c17", "-Wall", "-Wextra", "-Werror"}


def lint(argv: Sequence[str | Path], source: str | None = None) -> str:
    """What a linter has to say; empty when it is content."""
    program = PROGRAMS / argv[0]
    command = [str(program if program.exists() else argv[0]), *map(str, argv[1:])]
    done = run(command, within=240, input=source, cwd=REPOSITORY, check=False)
    verdict = f"{argv[0]} ended with exit code {done.returncode}"
    return f"{done.stdout}{done.stderr}{verdict}" if done.returncode else ""


def expect_content(argv: Sequence[str | Path]) -> None:
    """Fail with what the linter says."""
    if said := lint(argv):
        pytest.fail(said, pytrace=False)


def compile_lines(folder: str) -> list[str]:
    """The compiler calls of a Makefile, all of them, none run."""
    done = run(["make", "--dry-run", "--always-make", "-C", str(REPOSITORY / folder)])
    return [line for line in done.stdout.splitlines() if " -c " in line or ".c " in line]


def test_ruff_is_content() -> None:
    expect_content(["ruff", "check", "."])


def test_python_is_formatted() -> None:
    expect_content(["ruff", "format", "--check", "."])


@pytest.mark.slow
def test_mypy_is_content() -> None:
    expect_content(["mypy"])


def test_c_is_formatted() -> None:
    expect_content(["clang-format", "--dry-run", "-Werror", *tree.files(".c", ".h")])


def test_shellcheck_is_content() -> None:
    expect_content(["shellcheck", "--severity=style", *tree.shell_scripts()])


def test_yamllint_is_content() -> None:
    expect_content(["yamllint", "--strict", "."])


@pytest.mark.parametrize("folder", ["guest-agent", "workloads"])
def test_every_warning_of_the_compiler_is_an_error(folder: str) -> None:
    lines = compile_lines(folder)
    assert lines
    tree.expect_none(line for line in lines if not set(line.split()) >= REQUIRED_C_FLAGS)


@pytest.mark.parametrize(
    "source",
    [
        "import os\n",  # unused
        '"""Module."""\n\n\ndef public():\n    return 1\n',  # no docstring
        '"""Module."""\n\n\nclass Public:\n    pass\n',
        "x = 1\n",  # no docstring of the module
    ],
)
def test_ruff_objects(source: str) -> None:
    assert lint(["ruff", "check", "--stdin-filename", "harness/snippet.py", "-"], source)


def test_the_python_formatter_objects() -> None:
    assert lint(["ruff", "format", "--check", "--stdin-filename", "harness/x.py", "-"], "x=1\n")


@pytest.mark.slow
def test_mypy_objects(tmp_path: Path) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text("def f(x):\n    return x\n")
    configuration = REPOSITORY / "pyproject.toml"
    assert "no-untyped-def" in lint(["mypy", "--config-file", configuration, snippet])


def test_clang_format_objects() -> None:
    style = f"--style=file:{REPOSITORY / '.clang-format'}"
    assert lint(["clang-format", style, "--dry-run", "-Werror"], "int f(void){return 1;}\n")


def test_shellcheck_objects() -> None:
    assert lint(["shellcheck", "-"], "#!/bin/sh\nrm $1/*\n")


def test_yamllint_objects() -> None:
    assert lint(["yamllint", "--strict", "-"], "a:   1\na: 2\n")
