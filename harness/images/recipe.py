"""What an image is made of: the recipe file, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import UsageError


class Part(BaseModel):
    """A part of a recipe: frozen, and every key is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


R = TypeVar("R", bound=Part)


class Kernel(Part):
    """The kernel package by distribution (ID of os-release), and the arguments every guest gets."""

    packages: dict[str, str]
    arguments: tuple[str, ...]
    modules: tuple[str, ...]
    spare_modules: tuple[str, ...] = ()  # there to be loaded by hand; a boot does not load them


class Source(Part):
    """A file of the repository that goes into the image."""

    path: str
    executable: bool = False
    made_by: str = ""  # the command that makes it, for a file that is built


class Recipe(Part):
    """Paths in the image are keys, relative to its root."""

    kernel: Kernel
    packages: tuple[str, ...]
    programs: dict[str, str]  # where it is in its package (with or without /usr)
    applets: dict[str, tuple[str, ...]]  # busybox's links: the program, and names left out
    files: dict[str, Source]
    links: dict[str, str]
    directories: tuple[str, ...]

    def kernel_package(self, distribution: str) -> str:
        """The kernel package of this distribution. Raises UsageError when none is known."""
        try:
            return self.kernel.packages[distribution]
        except KeyError:
            known = ", ".join(sorted(self.kernel.packages))
            raise UsageError(
                f"no kernel package is known for {distribution!r}",
                why=f"the recipe has one for {known}",
                fix="build on one of these, or add the package's name to the recipe",
            ) from None


def load(path: Path) -> Recipe:
    """Read the recipe of an image in memory, as `read` does."""
    return read(path, Recipe)


def read(path: Path, shape: type[R]) -> R:
    """Read a recipe of this shape. Raises UsageError naming the file and each thing wrong in it."""
    try:
        return shape.model_validate(_parsed(path))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'the recipe'}: {item['msg']}"
            for item in error.errors()
        )
        raise UsageError(
            "the recipe is wrong", where=str(path), why=wrong, fix="correct the file"
        ) from None


def _parsed(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(
            "the recipe cannot be read", where=str(path), why=str(error), fix="restore the file"
        ) from None
