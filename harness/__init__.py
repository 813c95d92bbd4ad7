"""A multi-host QEMU/KVM testbed whose guests share memory and keep their streams when they move."""

__version__ = "0.1.0"
