"""Slides from the executed notebooks: a title for each chapter, then its figures with heading and caption.

One file, no other host: figures are inside. Arrow keys turn the pages; without script all slides stand in a column.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import nbformat

from bookpress.alt import speak
from bookpress.project import BookError, Project, write_text
from bookpress.provenance import run_records

ROLE = re.compile(r"\{[\w:]+\}`([^`<]*?)(?:\s*<[^`>]*>)?`|\[([^\]]*)\]\([^)]*\)|[*`]")


@dataclass(frozen=True)
class Slide:
    """``image`` is a PNG in base64, empty on a chapter's title slide."""

    chapter: str
    heading: str
    text: str = ""
    image: str = ""
    alt: str = ""


def plain(text: str) -> str:
    """Markdown without its marks.

    >>> plain("See {term}`sweeps <Sweep>`, *now*, in [a chapter](01_data.ipynb).")
    'See sweeps, now, in a chapter.'
    """
    return " ".join(ROLE.sub(lambda match: match[1] or match[2] or "", text).split())


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
            image = output.get("data", {}).get("image/png")
            if image:
                caption = plain(told.get("figure", {}).get("caption", ""))
                alt = " ".join(told.get("image", {}).get("alt", caption).split())
                found.append(Slide(chapter, heading, caption, image.replace("\n", ""), alt))
    return found


def as_html(every: list[Slide], note: str = "") -> str:
    """All slides as one page; ``note`` stands on the first."""
    body = []
    for number, slide in enumerate(every, 1):
        label = html.escape(f"Slide {number} of {len(every)}")
        footer = f"{html.escape(slide.chapter)} · " if slide.chapter != slide.heading else ""
        rank = "h1" if not slide.image else "h2"
        text = html.escape(f"{slide.text} {note if number == 1 else ''}".strip())
        picture = (
            f'<img src="data:image/png;base64,{slide.image}" alt="{html.escape(slide.alt)}">' if slide.image else ""
        )
        body.append(
            f'<section aria-label="{label}" tabindex="-1"><{rank}>{html.escape(slide.heading)}</{rank}>'
            f"{picture}<p>{text}</p><footer>{footer}{number}</footer></section>"
        )
    frame = files("bookpress.course").joinpath("slides.html").read_text("utf-8")
    return frame.replace("{{ slides }}", "\n".join(body))


def write(project: Project) -> Path:
    """``_build/slides.html`` of all chapters that have been run; BookError when none has."""
    names = [page.removeprefix("notebooks/") for page in project.pages() if page.startswith("notebooks/")]
    paths = [project.executed / f"{name}.ipynb" for name in names]
    every = [s for path in paths if path.is_file() for s in slides(nbformat.read(path, as_version=4))]
    if not every:
        raise BookError(f"found no executed notebook in {project.executed}; `make book` runs them.")
    runs = run_records(project, names)
    note = "Some figures come from a quick run." if any(run["quick"] for run in runs) else ""
    if any(run["cohort"] == "simulated" for run in runs):
        note += " Some chapters were run on simulated cells."
    target = project.build / "slides.html"
    write_text(target, as_html(every, note))
    return target
