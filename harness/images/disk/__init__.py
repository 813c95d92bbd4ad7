"""Images with a disk: the agent's Debian package, a file system, a boot loader, a seed."""
