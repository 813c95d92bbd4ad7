"""What users import, and what importing it costs."""

from __future__ import annotations

import sys

import harness.pytest_plugin
from harness import run

HEAVY = ("libvirt", "pydantic", "paramiko", "ansible_runner", "yaml", "psutil")


def test_the_public_names() -> None:
    assert sorted(harness.pytest_plugin.__all__) == [
        "ExpectationFailed",
        "Guest",
        "Host",
        "Invariant",
        "PromiseBroken",
        "Testbed",
        "Traffic",
        "intact",
        "stall_below",
    ]
    for name in harness.pytest_plugin.__all__:
        assert getattr(harness.pytest_plugin, name) is not None


def test_a_project_that_uses_no_testbed_pays_little() -> None:
    """pytest loads the plugin in every project of this environment."""
    source = (
        f"import sys, harness.pytest_plugin.plugin; print([m for m in {HEAVY} if m in sys.modules])"
    )
    assert run.run([sys.executable, "-c", source]).stdout == "[]\n"
