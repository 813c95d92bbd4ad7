"""The ``testbed`` command: its errors and exit codes.

0 fine · 1 what was tested failed · 2 you asked for something wrong · 69 the testbed broke ·
130 interrupted.
"""

from __future__ import annotations

import os
import sys
import traceback

import typer
from rich.console import Console
from rich.markup import escape

from harness.errors import TestbedError

app = typer.Typer(
    name="testbed",
    help="A multi-host QEMU/KVM testbed whose guests share memory and keep their streams.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line."""
    from harness.cli import commands  # noqa: F401 - registers; late, so --help is quick

    try:
        app(standalone_mode=True)
    except TestbedError as error:
        Console(stderr=True).print(f"[red]testbed:[/] {escape(str(error))}", highlight=False)
        _leave(error.exit_code)
    except KeyboardInterrupt:
        Console(stderr=True).print("testbed: interrupted")
        _leave(130)
    except BrokenPipeError:
        # whoever read our output has left: nobody is there to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _leave(1)
    except Exception:
        traceback.print_exc()
        Console(stderr=True).print("[red]testbed:[/] this is a bug in the testbed itself")
        _leave(TestbedError.exit_code)


def _leave(code: int) -> None:
    sys.exit(code)
