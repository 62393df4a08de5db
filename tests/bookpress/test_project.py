"""What is special to a book is read once, told when wrong, and the press itself knows no other package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from bookpress.project import BookError, Project, Settings


def write(folder: Path, table: str) -> Path:
    path = folder / "pyproject.toml"
    path.write_text(table)
    return path


def test_the_press_imports_nothing_that_is_special_to_a_book(root):
    found = set()
    for path in (root / "src" / "bookpress").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found |= {f"{path.name}: {name}" for name in names if name.split(".")[0] in ("patchtype", "helpers")}
    assert found == set()


def test_a_book_without_a_table_has_the_defaults(tmp_path):
    assert Project(tmp_path).settings == Settings()
    assert Settings.read(write(tmp_path, "[project]\nname = 'x'\n")) == Settings()


def test_a_table_is_read(tmp_path):
    told = Settings.read(write(tmp_path, "[tool.bookpress]\ncohorts = ['real']\ngoals = {boxes = 3}\n"))
    assert told.cohorts == ("real",)
    assert told.goals == {"boxes": 3}
    assert told.kept == Settings().kept


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ("[tool", "is not TOML"),
        ("[tool.bookpress]\ncohort = ['real']", "found 'cohort' in .*, expected one of package, packages, kept"),
        ("[tool.bookpress]\ncohorts = 'real'", r"cohorts in \[tool.bookpress\] is 'real', expected a list"),
        ("[tool.bookpress]\nledger = ['a']", "expected a str"),
    ],
)
def test_a_wrong_table_is_told(tmp_path, table, what):
    with pytest.raises(BookError, match=what):
        Settings.read(write(tmp_path, table))


def test_a_function_that_cannot_be_loaded_is_told(tmp_path):
    settings = Settings.read(write(tmp_path, "[tool.bookpress]\nledger = 'json:nothing'\n"))
    with pytest.raises(BookError, match=r"^ledger in \[tool.bookpress\] is 'json:nothing', which cannot be loaded: "):
        settings.call("ledger")


def test_a_book_that_names_no_repository_is_told(tmp_path):
    (tmp_path / "_config.yml").write_text("title: A book\n")
    with pytest.raises(BookError, match=r"_config.yml names no repository .*; write repository: \{url: ...\} there.$"):
        _ = Project(tmp_path).home
