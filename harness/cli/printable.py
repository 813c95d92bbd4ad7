"""What others wrote, made safe to print."""

from harness.model.printable import printable

__all__ = ["printable"]
