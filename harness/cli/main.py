"""The ``testbed`` command: its errors and exit codes.

0 fine · 1 what was tested failed · 2 you asked for something wrong · 69 the testbed broke ·
130 interrupted.
"""

from __future__ import annotations

import os
import sys
import traceback

from rich.console import Console
from rich.text import Text

from harness.cli.printable import printable
from harness.errors import TestbedError, UsageError

INTERRUPTED = 130


def main() -> None:
    """Run the command line."""
    try:
        _run()
    except TestbedError as error:
        _tell(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _tell("interrupted")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # whoever read our output has left: nobody is there to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _tell(str(error))
        sys.exit(TestbedError.exit_code)
    except Exception:
        traceback.print_exc()
        _tell("this is a bug in the testbed itself")
        sys.exit(TestbedError.exit_code)


def _run() -> None:
    try:
        from harness.cli import commands

        commands.app(standalone_mode=True)
    except ImportError as error:
        if (error.name or "").startswith("harness"):
            raise  # ours: a bug, not a lack of this machine
        raise _lacking(error) from error


def _lacking(error: ImportError) -> UsageError:
    """The refusal of a machine on which a module that we need cannot be loaded."""
    from harness.hosts.checks import INSTALL

    fix = f"{INSTALL} libvirt0" if "libvirt" in f"{error.name} {error}" else "make setup"
    return UsageError("a Python module cannot be loaded", why=str(error), fix=fix)


def _tell(sentence: str) -> None:
    text = Text.assemble(("testbed:", "red"), " ", printable(sentence))
    Console(stderr=True).print(text, highlight=False, soft_wrap=True)
