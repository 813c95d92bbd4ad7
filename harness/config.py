"""Where things live. An environment variable overrides each place."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

DISTRIBUTION = "domsock"
PACKAGE = Path(__file__).resolve().parent
INSTALLED = False  # setup.py makes it True in a wheel, around which there is no tree

# Roles, recipes and compiled programs lie below it: in the tree, or a wheel's copy of these parts.
REPOSITORY = PACKAGE / "shipped" if INSTALLED else PACKAGE.parent


def state_dir() -> Path:
    """Records of running testbeds (TESTBED_STATE)."""
    return Path(os.environ.get("TESTBED_STATE") or platformdirs.user_state_path("domsock"))


def cache_dir() -> Path:
    """Images and probes, each remade when lost (TESTBED_CACHE)."""
    return Path(os.environ.get("TESTBED_CACHE") or platformdirs.user_cache_path("domsock"))


def results_dir() -> Path:
    """Where runs leave their evidence (TESTBED_RESULTS); by default ./results."""
    return Path(os.environ.get("TESTBED_RESULTS") or Path.cwd() / "results")
