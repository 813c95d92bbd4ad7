"""The ``testbed`` command."""
