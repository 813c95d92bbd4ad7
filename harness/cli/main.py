"""The ``testbed`` command: its errors and exit codes.

0 fine · 1 what was tested failed · 2 you asked for something wrong · 69 the testbed broke ·
130 interrupted.
"""

from __future__ import annotations

import itertools
import os
import sys
import traceback

from rich.console import Console
from rich.text import Text

from harness.cli.printable import printable
from harness.errors import INTERRUPTED, TestbedError, UsageError

BISECT = "TESTBED_BISECT"
SKIP, GIVE_UP = 125, 128  # what git bisect run takes for "cannot be tested" and for "stop"


def main() -> None:
    """Run the command line, and end with its exit code."""
    code = _outcome()
    sys.exit(_for_bisect(code) if _bisecting() else code)


def _outcome() -> int:
    try:
        _run()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except TestbedError as error:
        _tell(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _tell("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has left: nobody is there to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        _tell(str(error))
        return TestbedError.exit_code
    except Exception:
        traceback.print_exc()
        _tell("this is a bug in the testbed itself")
        return TestbedError.exit_code
    return 0


def _bisecting() -> bool:
    """Whether git bisect hears our exit code. Asked of the words themselves: it must hold even
    for a command line that cannot be understood.
    """
    own = itertools.takewhile(lambda word: word != "--", sys.argv[1:])
    return "--bisect" in own or os.environ.get(BISECT, "") not in ("", "0")


def _for_bisect(code: int) -> int:
    """A broken testbed says nothing about a commit, and a wrong command line about no commit."""
    return {TestbedError.exit_code: SKIP, UsageError.exit_code: GIVE_UP}.get(code, code)


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
