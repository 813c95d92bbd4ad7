from __future__ import annotations

from pathlib import Path

from tests.style import sizes, tree

PYTHON, C = Path("harness/x.py"), Path("guest-agent/src/ring/x.c")


def function(lines: int, head: str = "") -> str:
    return f"def f():{head}\n" + "    x = 1\n" * (lines - 1)


def c_function(lines: int, before: str = "") -> str:
    return f"{before}int f(int a,\n      int b)\n{{\n" + "    x();\n" * (lines - 2) + "}\n"


def test_files_are_short() -> None:
    sources = {*tree.files(".py", ".c", ".h", ".sh"), *tree.shell_scripts()}
    tree.expect_none(
        violation for path in sources for violation in sizes.file_violations(path, tree.text(path))
    )


def test_python_functions_are_short() -> None:
    tree.expect_none(
        violation
        for path in tree.files(".py")
        for violation in sizes.python_violations(path, tree.text(path))
    )


def test_c_functions_are_short() -> None:
    tree.expect_none(
        violation
        for path in tree.files(".c", ".h")
        for violation in sizes.c_violations(path, tree.text(path))
    )


def test_a_long_file_is_seen() -> None:
    assert list(sizes.file_violations(PYTHON, "\n" * (sizes.FILE_LINES + 1)))
    assert not list(sizes.file_violations(PYTHON, "\n" * sizes.FILE_LINES))


def test_a_long_python_function_is_seen() -> None:
    limit = sizes.PYTHON_FUNCTION_LINES
    assert list(sizes.python_violations(PYTHON, function(limit + 1)))
    assert not list(sizes.python_violations(PYTHON, function(limit)))
    assert not list(sizes.python_violations(PYTHON, function(limit + 1, "  # long: one table")))


def test_a_docstring_is_not_counted() -> None:
    limit = sizes.PYTHON_FUNCTION_LINES
    explained = function(limit).replace("\n", '\n    """One.\n\n    Two.\n    """\n', 1)
    assert not list(sizes.python_violations(PYTHON, explained))


def test_a_long_c_function_is_seen() -> None:
    limit = sizes.C_FUNCTION_LINES
    (violation,) = sizes.c_violations(C, c_function(limit + 1))
    assert "f() has 61 lines" in violation
    assert not list(sizes.c_violations(C, c_function(limit)))
    assert not list(sizes.c_violations(C, c_function(limit + 1, "/* long: one switch */\n")))
