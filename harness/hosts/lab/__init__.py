"""The lab: hosts that are namespaces of this one machine, and need no root.

Outside, `Lab` starts, finds, enters and stops one. Inside run `init` (PID 1 of the whole) and
`host` (PID 1 of each host). Lab code makes only namespaces and sshd.
"""

from harness.hosts.lab.lab import Lab
from harness.hosts.lab.spec import LabSpec

__all__ = ["Lab", "LabSpec"]
