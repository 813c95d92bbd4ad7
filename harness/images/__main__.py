"""``python -m harness.images [--refresh]``: build the guests' image into the cache."""

from __future__ import annotations

import argparse
import sys

from harness import config
from harness.errors import TestbedError
from harness.events import Event, EventLog
from harness.images.micro import build_micro


def main() -> int:
    """Build, and print where the image lies."""
    parser = argparse.ArgumentParser(prog="python -m harness.images", description=__doc__)
    parser.add_argument("--refresh", action="store_true", help="use the newest packages")
    arguments = parser.parse_args()
    events = EventLog()
    events.subscribe(_tell)
    try:
        image = build_micro(
            config.cache_dir(), config.REPOSITORY, events, refresh=arguments.refresh
        )
    except TestbedError as error:
        print(f"testbed: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{image.digest}  kernel {image.kernel_release}\n{image.kernel}\n{image.initrd}")
    return 0


def _tell(event: Event) -> None:
    if event.name.endswith(".end"):
        print(
            f"{event.name.removesuffix('.end')}: {event.fields['seconds']:.1f} s", file=sys.stderr
        )


if __name__ == "__main__":
    sys.exit(main())
