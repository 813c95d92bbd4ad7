"""What an image with a disk is made of: the recipe file, checked."""

from __future__ import annotations

from pydantic import Field

from harness.errors import UsageError
from harness.images.recipe import Part, Source
from harness.model.sizes import Room


class Initrd(Part):
    """What mounts the root file system: the modules for that, and the script that does it."""

    modules: tuple[str, ...]
    init: str


class Additions(Part):
    """What is put onto the file system: files of the repository, short texts, and links."""

    files: dict[str, Source] = Field(default={})
    texts: dict[str, str] = Field(default={})
    links: dict[str, str] = Field(default={})


class DiskRecipe(Part):
    """Paths in the image are keys, relative to its root. `size` is the disk's, in bytes."""

    packages: dict[str, tuple[str, ...]]
    size: Room
    arguments: tuple[str, ...]
    direct: tuple[str, ...]
    initrd: Initrd
    removed: tuple[str, ...]
    removed_bare: tuple[str, ...]
    always: Additions
    guest: Additions

    def packages_of(self, distribution: str) -> tuple[str, ...]:
        """The packages by their names there. Raises UsageError for one that is not known."""
        try:
            return self.packages[distribution]
        except KeyError:
            raise UsageError(
                f"no packages are known for {distribution!r}",
                why=f"the recipe has some for {', '.join(sorted(self.packages))}",
                fix="build on one of these, or add the packages' names to the recipe",
            ) from None
