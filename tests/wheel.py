"""The wheel of this tree, made in a copy: making one leaves things beside the sources."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from harness import run
from harness.config import REPOSITORY

FOLDERS = ("harness", "images", "playbooks", "guest-agent", "workloads")
FILES = ("pyproject.toml", "setup.py", "README.md")
OPTIONS = ("--no-deps", "--no-index", "--no-build-isolation", "--quiet")


def make_wheel(tree: Path) -> Path:
    """Make it in the folder `tree`, which is new, with the build tools of this environment."""
    ignored = shutil.ignore_patterns("__pycache__", "build-*", "tests")
    for name in FOLDERS:
        shutil.copytree(REPOSITORY / name, tree / name, ignore=ignored)
    for name in FILES:
        shutil.copy2(REPOSITORY / name, tree / name)
    argv = [sys.executable, "-m", "pip", "wheel", *OPTIONS, "--wheel-dir", str(tree / "dist")]
    run.run([*argv, str(tree)], within=280)
    [made] = (tree / "dist").glob("*.whl")
    return made
