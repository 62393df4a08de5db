"""Alt texts that are computed: a figure's alt text may quote what the chapter has glued, as its prose does."""

from __future__ import annotations

import re

import nbformat

from bookpress.project import BookError

GLUED = re.compile(r"\{glue:text\}`([\w.]+)`")
PREFIX = "application/papermill.record/"


def glued(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """What an executed notebook has glued, as text, by key."""
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            key = output.get("metadata", {}).get("scrapbook", {}).get("name")
            data = output.get("data", {})
            text = data.get(f"{PREFIX}text/plain", data.get("text/plain"))
            if key and text is not None:
                found[key] = text.strip("'")
    return found


def speak(notebook: nbformat.NotebookNode) -> None:
    """Put what was glued in the place of each ``{glue:text}`` in the alt texts of an executed notebook.

    BookError names an alt text that asks for a key which no cell glued.
    """
    values = glued(notebook)
    for cell in notebook.cells:
        image = cell.metadata.get("mystnb", {}).get("image", {})
        if "alt" not in image:
            continue
        if missing := [key for key in GLUED.findall(image["alt"]) if key not in values]:
            name = cell.metadata["mystnb"].get("figure", {}).get("name", "a figure")
            raise BookError(f"The alt text of {name} asks for {missing[0]!r}, which no cell has glued.")
        image["alt"] = GLUED.sub(lambda match: values[match[1]], image["alt"])
