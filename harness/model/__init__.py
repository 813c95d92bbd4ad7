"""What a testbed is, as frozen data: no I/O, no clock, no libvirt."""
