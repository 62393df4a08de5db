"""Where the parts of a book lie, and the one kind of error that is told to the reader in a sentence."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bookpress.files import write_text


class BookError(Exception):
    """Something the author of the book can put right. The message says what, and how."""


@dataclass(frozen=True)
class Project:
    """The folders of one book.

    ``root`` holds ``_config.yml``, ``_toc.yml``, ``book/``, ``notebooks/`` and ``assets/``; everything made
    goes below ``root/_build``.

    >>> Project(Path("/tmp/b")).html.as_posix()
    '/tmp/b/_build/html'
    """

    root: Path

    @property
    def build(self) -> Path:
        return self.root / "_build"

    @property
    def notebooks(self) -> Path:
        return self.root / "notebooks"

    @property
    def executed(self) -> Path:
        return self.build / "executed" / "notebooks"

    @property
    def failed(self) -> Path:
        return self.build / "failed"

    @property
    def runs(self) -> Path:
        return self.build / "runs"

    @property
    def results(self) -> Path:
        return self.build / "results"

    @property
    def stage(self) -> Path:
        return self.build / "stage"

    @property
    def html(self) -> Path:
        return self.build / "html"

    def check(self) -> Project:
        """This project, if its root is a book's repository; BookError otherwise."""
        if not self.notebooks.is_dir():
            raise BookError(
                f"found no folder notebooks in {self.root.resolve()}, expected the book's repository; "
                "go there, or name it with --root."
            )
        return self

    def pages(self) -> list[str]:
        """Every page of ``_toc.yml`` as a path without suffix, in reading order, the root first."""
        return toc_pages(self.root / "_toc.yml")


def toc_pages(toc: Path) -> list[str]:
    """Pages named by one Jupyter Book table of contents, in reading order.

    Raises BookError when the file is missing, is not a book's table of contents or names a page twice.
    """
    if not toc.is_file():
        raise BookError(f"{toc} is missing; a book needs this table of contents.")
    contents = yaml.safe_load(toc.read_text(encoding="utf-8"))
    if not isinstance(contents, dict) or "root" not in contents:
        raise BookError(f"{toc} has no `root`; the first page of the book goes there.")
    pages = [contents["root"]]

    def walk(node: dict[str, Any]) -> None:
        for part in node.get("parts") or []:
            walk(part)
        for entry in [*(node.get("chapters") or []), *(node.get("sections") or [])]:
            if "file" in entry:
                pages.append(entry["file"])
            walk(entry)

    walk(contents)
    names = [page.removesuffix(".md").removesuffix(".ipynb") for page in pages]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BookError(f"{toc} names {', '.join(twice)} more than once; keep one entry each.")
    return names


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys, so that equal values give equal bytes."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON, or raise BookError that names the file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BookError(f"{path} is not JSON ({error}); delete it and run `make book` again.") from error
