"""Where the parts of a book lie, what is special to it, and the one kind of error told in a sentence."""

from __future__ import annotations

import json
import pkgutil
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from bookpress.files import write_text


class BookError(Exception):
    """Something the author of the book can put right. The message says what, and how."""


@dataclass(frozen=True)
class Settings:
    """What is special to one book: the table ``[tool.bookpress]`` of its ``pyproject.toml``. Entries may be left out.

    ``package``: what pip installs where a chapter runs without the repository. ``packages``, ``kept``: packages
    below ``src`` and the folder of kept predictions that a bundle takes along.
    ``ledger``: ``"module:function"`` that makes the ledger's Markdown of all results. ``fingerprint``: one that
    gives the data's hash. ``environment``: one that gives variable → value, of what the chapters' code is told by its
    environment. ``versions``: packages whose version the pages tell. ``cohorts``: what a chapter's
    ``cohort`` may be; a page made from one of ``simulated`` says so. ``answers``: whether the pages have the answers
    to exercises. ``preview``: a picture that links to the book show. ``seconds``: what chapters take about, for the
    order in which a first build runs them. ``goals``: the most that a page or the book may have, see
    `bookpress.reading`; ``enforced``: those of them that are findings, not only told.
    """

    package: str = ""
    packages: tuple[str, ...] = ()
    kept: str = "science"
    ledger: str = ""
    fingerprint: str = ""
    environment: str = ""
    versions: tuple[str, ...] = ()
    cohorts: tuple[str, ...] = ("published", "simulated")
    simulated: tuple[str, ...] = ("simulated",)
    answers: bool = True
    preview: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    goals: dict[str, float] = field(default_factory=dict)
    enforced: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Settings:
        """Those of one ``pyproject.toml``; the defaults where there is none, BookError where one is wrong."""
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        except tomllib.TOMLDecodeError as error:
            raise BookError(f"{path} is not TOML: {error}") from error
        told = table.get("tool", {}).get("bookpress", {})
        kinds = {one.name: type(getattr(cls(), one.name)) for one in fields(cls)}
        for name, value in told.items():
            wanted = {tuple: list}.get(kinds.get(name), kinds.get(name))
            if wanted is None:
                raise BookError(f"{path}: found {name!r} in [tool.bookpress], expected one of {', '.join(kinds)}.")
            if not isinstance(value, wanted):
                raise BookError(f"{path}: {name} in [tool.bookpress] is {value!r}, expected a {wanted.__name__}.")
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in told.items()})

    def call(self, name: str) -> Callable[..., Any] | None:
        """The function that the setting ``name`` tells; None where it tells none."""
        told = getattr(self, name)
        try:
            return pkgutil.resolve_name(told) if told else None
        except (ImportError, AttributeError, ValueError) as error:
            raise BookError(f"{name} in [tool.bookpress] is {told!r}, which cannot be loaded: {error}") from error


@dataclass(frozen=True)
class Project:
    """The folders of one book.

    ``root`` holds ``_config.yml``, ``_toc.yml``, ``book/``, ``notebooks/`` and ``assets/``; everything made
    goes below ``root/_build``.

    >>> Project(Path("/tmp/b")).html.as_posix()
    '/tmp/b/_build/html'
    """

    root: Path

    @cached_property
    def settings(self) -> Settings:
        return Settings.read(self.root / "pyproject.toml")

    @cached_property
    def config(self) -> dict[str, Any]:
        """``_config.yml``; BookError where there is none, or it names no repository."""
        path = self.root / "_config.yml"
        try:
            found = yaml.safe_load(path.read_text(encoding="utf-8"))
            found["repository"]["url"]
        except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
            raise BookError(f"{path} names no repository ({error}); write repository: {{url: ...}} there.") from error
        return found

    @property
    def title(self) -> str:
        return self.config["title"]

    @property
    def repository(self) -> str:
        """Address of the book's repository."""
        return self.config["repository"]["url"].rstrip("/")

    @property
    def home(self) -> str:
        """Address of the book's pages."""
        return pages_url(self.repository)

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

    def chapters(self) -> list[str]:
        """Names of the notebooks among the pages, such as ``01_data``."""
        return [page.removeprefix("notebooks/") for page in self.pages() if page.startswith("notebooks/")]


def pages_url(repository: str) -> str:
    """Where GitHub Pages serves a repository.

    >>> pages_url("https://github.com/owner/name")
    'https://owner.github.io/name/'
    """
    parts = urlsplit(repository).path.strip("/").split("/")
    if urlsplit(repository).netloc != "github.com" or len(parts) != 2:
        raise BookError(
            f"repository.url in _config.yml is {repository!r}; expected https://github.com/OWNER/NAME."
        )
    return f"https://{parts[0]}.github.io/{parts[1]}/"


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
