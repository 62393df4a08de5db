"""Who imports whom: a value goes down the page of the library once and never climbs back up."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

#: Rooms of the library, the ground first: each imports only itself and rooms before it.
ROOMS = ("ground", "recordings", "cohorts", "simulation", "models", "evaluation", "experiments", "classify")
PACKAGES = {"patchtype", "helpers", "bookpress"}
#: `__init__` and `__main__` name what every room offers, and import it when it is asked for.
DOORS = {"__init__.py", "__main__.py"}


def imported(path: Path) -> set[str]:
    """Full names of the modules of ours that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.partition(".")[0] in PACKAGES}


def room(name: str) -> str:
    """The room of a module of the library, from its full name."""
    part = (name.split(".") + [""])[1]
    return part if part in ROOMS else "ground"


def modules(root: Path, package: str) -> list[Path]:
    return sorted((root / "src" / package).rglob("*.py"))


def test_every_room_of_the_library_is_in_the_picture(root):
    found = {path.parent.name for path in modules(root, "patchtype") if path.parent != root / "src" / "patchtype"}
    assert found == set(ROOMS) - {"ground"}


def test_a_room_imports_only_rooms_below_it(root):
    wrong = []
    for path in modules(root, "patchtype"):
        inside = path.relative_to(root / "src" / "patchtype")
        if len(inside.parts) == 1 and path.name in DOORS:
            continue
        own = inside.parts[0] if len(inside.parts) > 1 else "ground"
        for name in imported(path):
            assert name.startswith("patchtype"), f"{path} imports {name}"
            if ROOMS.index(room(name)) > ROOMS.index(own):
                wrong.append(f"{inside} imports {name}")
    assert wrong == []


def test_evaluation_imports_no_model_and_models_read_no_file(root):
    for path in modules(root, "patchtype"):
        if path.parent.name == "evaluation":
            assert not {room(name) for name in imported(path)} & {"models", "simulation"}, path
        if path.parent.name == "models":
            assert not {room(name) for name in imported(path)} & {"recordings", "simulation"}, path


@pytest.mark.parametrize(("package", "allowed"), [("helpers", {"helpers", "patchtype"}), ("bookpress", {"bookpress"})])
def test_a_package_imports_only_what_it_may(root, package, allowed):
    for path in modules(root, package):
        assert {name.partition(".")[0] for name in imported(path)} <= allowed, path


def test_no_chapter_imports_what_makes_the_book(root):
    chapters = sorted((root / "notebooks").glob("*.md"))
    assert chapters
    for chapter in chapters:
        assert not re.search(r"^\s*(from|import) bookpress\b", chapter.read_text("utf-8"), re.MULTILINE), chapter
