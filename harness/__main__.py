"""The way in: the ``testbed`` command, and ``python -m harness``."""

import sys

from harness.errors import INTERRUPTED


def main() -> None:
    """Run the command line. Ctrl-C before there is anything to end does not show our insides."""
    try:
        from harness.cli.main import main as run
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    run()


if __name__ == "__main__":
    main()
