"""Slides from the executed notebooks, session by session: a title for each chapter, then its figures with caption.

One file, no other host: figures are inside. Arrow keys turn the pages; without script all slides stand in a column.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import nbformat

from bookpress.alt import speak
from bookpress.project import BookError, Project, write_text
from bookpress.provenance import run_records
from bookpress.template import fill_text

ROLE = re.compile(r"\{[\w:]+\}`([^`<]*?)(?:\s*<[^`>]*>)?`|\[([^\]]*)\]\([^)]*\)|[*`]")


@dataclass(frozen=True)
class Slide:
    """``image`` is a ``data:`` address, empty on a title slide; ``notes`` are for the teacher's eyes."""

    chapter: str
    heading: str
    text: str = ""
    image: str = ""
    alt: str = ""
    notes: str = ""


def plain(text: str) -> str:
    """Markdown without its marks.

    >>> plain("See {term}`sweeps <Sweep>`, *now*, in [a chapter](01_data.ipynb).")
    'See sweeps, now, in a chapter.'
    """
    return " ".join(ROLE.sub(lambda match: match[1] or match[2] or "", text).split())


def address(data: dict[str, str]) -> str:
    """The figure among what a cell shows, as an address that holds it; empty where there is none.

    >>> address({"image/png": "QUJD\\n"}), address({"image/svg+xml": "<svg/>"}), address({"text/plain": "1"})
    ('data:image/png;base64,QUJD', 'data:image/svg+xml;base64,PHN2Zy8+', '')
    """
    if "image/svg+xml" in data:
        return f"data:image/svg+xml;base64,{b64encode(data['image/svg+xml'].encode()).decode()}"
    return f"data:image/png;base64,{data['image/png']}".replace("\n", "") if "image/png" in data else ""


def slides(notebook: nbformat.NotebookNode) -> list[Slide]:
    """The slides of one executed chapter."""
    speak(notebook)
    found: list[Slide] = []
    chapter = heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for level, words in re.findall(r"^(#{1,2}) (.+)$", cell.source, re.MULTILINE):
                heading = plain(words)
                if level == "#":
                    chapter = heading
                    learn = re.search(r"\*\*(You will learn\*\* .+)", cell.source)
                    found.append(Slide(chapter, chapter, plain(learn[1]) if learn else ""))
            continue
        told = cell.metadata.get("mystnb", {})
        for output in cell.outputs:
            image = address(output.get("data", {}))
            if image:
                caption = plain(told.get("figure", {}).get("caption", ""))
                alt = " ".join(told.get("image", {}).get("alt", caption).split())
                found.append(Slide(chapter, heading, caption, image, alt))
    return found


def as_html(every: list[Slide], note: str = "") -> str:
    """All slides as one page; ``note`` stands on the first."""
    frame = files("bookpress.course").joinpath("slides.html").read_text("utf-8")
    return fill_text(frame, slides=every, note=note)


def sessions(guide: Path) -> list[tuple[Slide, list[str]]]:
    """A title slide for each session of the guide, with its plan as notes, and the chapters that it teaches."""
    if not guide.is_file():
        return []
    found = []
    for part in re.split(r"^## (?=Session \d)", guide.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        title, _, rest = part.partition("\n")
        aim = re.search(r"^\*\*Aim\*\* (.+)$", rest, re.MULTILINE)
        rows = re.findall(r"^\| *(\d+–\d+) *\| *(.+?) *\|$", rest, re.MULTILINE)
        notes = "\n".join(f"{minutes} min: {plain(what)}" for minutes, what in rows)
        chapters = re.findall(r"notebooks/(\w+)\.ipynb", re.split(r"^\*\*Aim", rest, flags=re.MULTILINE)[0])
        found.append((Slide(plain(title), plain(title), plain(aim[1]) if aim else "", notes=notes), chapters))
    return found


def write(project: Project) -> Path:
    """``_build/slides.html`` of all chapters that have been run; BookError when none has."""
    names = [page.removeprefix("notebooks/") for page in project.pages() if page.startswith("notebooks/")]
    paths = [project.executed / f"{name}.ipynb" for name in names]
    by_chapter = {path.stem: slides(nbformat.read(path, as_version=4)) for path in paths if path.is_file()}
    every = []
    for title, chapters in sessions(project.root / "book" / "teaching" / "guide.md"):
        taught = [slide for name in chapters for slide in by_chapter.pop(name, [])]
        every += [title, *taught] if taught else []
    every += [slide for rest in by_chapter.values() for slide in rest]
    if not every:
        raise BookError(f"found no executed notebook in {project.executed}; `make book` runs them.")
    runs = run_records(project, names)
    note = "Some figures come from a quick run." if any(run["quick"] for run in runs) else ""
    if any(run["cohort"] == "simulated" for run in runs):
        note += " Some chapters were run on simulated cells."
    target = project.build / "slides.html"
    write_text(target, as_html(every, note))
    return target
