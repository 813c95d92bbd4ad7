"""Machines that run guests: reached over SSH, made as namespaces, or faked."""
