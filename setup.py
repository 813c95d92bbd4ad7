"""What pyproject.toml cannot say: a wheel carries what hosts and guests are made of.

These are Ansible's roles, the recipes of images, and the programs of guests, compiled here: whoever
installs the wheel needs neither this tree nor a compiler. They lie in harness/shipped as they do in
the tree (harness/config.py). An editable installation uses the tree itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.errors import ExecError

TREE = Path(__file__).resolve().parent
SHIPPED = Path("harness/shipped")
COMPILED = ("guest-agent", "workloads")
PARTS = (
    "images/**/*",
    "playbooks/**/*",
    "guest-agent/packaging/*",
    "guest-agent/src/daemon/agent.h",  # the package's version stands in it
    "guest-agent/build/domsock",
    "guest-agent/build/domsockd",
    "guest-agent/build/libdomsock.so",
    "workloads/build/oracle",
    "workloads/build/load",
    "workloads/build/volley",
)
NEEDED = "apt-get install make gcc libc6-dev libjansson-dev libsodium-dev"


class BuildWithParts(build_py):
    """The Python package, and behind it the parts of the tree that it works with."""

    def run(self) -> None:
        """Compile, then copy; nothing of it for an editable installation."""
        super().run()
        if self.editable_mode:
            return
        for folder in COMPILED:
            self._compile(folder)
        for source in self._parts():
            target = Path(self.build_lib, SHIPPED, source)
            self.mkpath(str(target.parent))
            self.copy_file(str(TREE / source), str(target))
        self._tell_that_it_is_installed()

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Every file that is made: an installation removes what it lists."""
        parts = [] if self.editable_mode else self._parts()
        own = super().get_outputs(include_bytecode)
        return [*own, *(str(Path(self.build_lib, SHIPPED, part)) for part in parts)]

    def _compile(self, folder: str) -> None:
        try:
            self.spawn(["make", "--directory", str(TREE / folder)])
        except ExecError as error:
            raise ExecError(f"{folder} cannot be compiled: {error}\n  next: {NEEDED}") from None

    def _tell_that_it_is_installed(self) -> None:
        config = Path(self.build_lib, "harness/config.py")
        before, word, after = (
            (TREE / "harness/config.py").read_text().partition("INSTALLED = False")
        )
        assert word, "harness/config.py must say INSTALLED = False"
        config.write_text(f"{before}INSTALLED = True{after}")

    def _parts(self) -> list[Path]:
        found = (path for pattern in PARTS for path in TREE.glob(pattern))
        return sorted(path.relative_to(TREE) for path in found if path.is_file())


class WheelOfThisMachine(bdist_wheel):
    """For any Python 3, but for the kind of machine that the programs were compiled on."""

    def get_tag(self) -> tuple[str, str, str]:
        """The platform's tag alone says what it fits."""
        return "py3", "none", super().get_tag()[2]


class WithPrograms(Distribution):
    """A distribution that is not pure Python."""

    def has_ext_modules(self) -> bool:
        """Its programs are what other projects' extension modules are."""
        return True


COMMANDS: dict[str, Any] = {"build_py": BuildWithParts, "bdist_wheel": WheelOfThisMachine}
setup(cmdclass=COMMANDS, distclass=WithPrograms)
