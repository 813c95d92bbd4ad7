"""Registers every command."""

from __future__ import annotations

from harness.cli import demo, guests, lifecycle, look

__all__ = ["demo", "guests", "lifecycle", "look"]
