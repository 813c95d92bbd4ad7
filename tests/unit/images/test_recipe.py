"""Recipes: read strictly, and wrong ones explained."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.config import REPOSITORY
from harness.errors import UsageError
from harness.images import recipe
from harness.images.micro import RECIPE

MICRO = REPOSITORY / RECIPE


def changed(folder: Path, **parts: object) -> Path:
    content = yaml.safe_load(MICRO.read_text()) | parts
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def test_the_projects_own_recipe_is_right() -> None:
    micro = recipe.load(MICRO)
    assert {"debian", "ubuntu"} <= micro.kernel.packages.keys()
    assert "init" in micro.files and micro.files["init"].executable
    assert "nc" in micro.applets["usr/bin/busybox"]  # netcat-openbsd's must not be shadowed


def test_scripts_of_the_recipe_exist() -> None:
    for source in recipe.load(MICRO).files.values():
        assert source.made_by or (REPOSITORY / source.path).is_file()


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pakages"):
        recipe.load(changed(tmp_path, pakages=["busybox-static"]))


def test_a_wrong_type_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"files\.init\.executable"):
        recipe.load(changed(tmp_path, files={"init": {"path": "x", "executable": "perhaps"}}))


@pytest.mark.parametrize("text", ["", "[", "just words", "a: b: c", "\x00"])
def test_a_file_that_is_no_recipe(text: str, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"recipe\.yaml"):
        recipe.load(file)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        recipe.load(tmp_path / "recipe.yaml")


def test_an_unknown_distribution_is_refused_with_what_is_known() -> None:
    with pytest.raises(UsageError, match="debian, ubuntu"):
        recipe.load(MICRO).kernel_package("gentoo")
