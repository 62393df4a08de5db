"""A chapter's Markdown for readers without the book's renderer: roles and directives become plain words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import nbformat

ADMONITION = re.compile(
    r"^:::\{admonition\} (?P<title>.+)\n(?::[\w-]+:.*\n)*(?P<body>(?:(?!:::).*\n)*):::$", re.MULTILINE
)
ROLES = [
    (re.compile(r"\{term\}`([^`<]+?)(?:\s*<[^`>]*>)?`"), r"*\1*"),
    (re.compile(r"\{numref\}`fig-([^`]+)`"), r"figure “\1”"),
    (re.compile(r"\{eq\}`eq-([^`]+)`"), r"the equation “\1”"),
    (re.compile(r"\$\$ \(eq-([\w-]+)\)"), r"$$\n\nThis is the equation “\1”."),
    (re.compile(r"\{glue:text\}`([\w.]+)(?::[^`]*)?`"), r"‹\1›"),
]
CITATION = re.compile(r"\{cite:p\}`([^`]+)`")
PAGE = re.compile(r"\]\(\.\./(book/[\w/]+)\.md\)")


def references(bibliography: Path) -> dict[str, str]:
    """Key → authors and year, linked where the work has an address, of each work in a BibTeX file."""
    from pybtex.database import parse_file

    found = {}
    for key, work in parse_file(str(bibliography)).entries.items():
        names = [" ".join(person.prelast_names + person.last_names).strip("{}") for person in work.persons["author"]]
        who = names[0] if len(names) == 1 else " & ".join(names) if len(names) == 2 else f"{names[0]} et al."
        doi = work.fields.get("doi")
        address = f"https://doi.org/{doi}" if doi else work.fields.get("url")
        said = f"{who.replace(' & others', ' et al.')} {work.fields['year']}"
        found[key] = f"[{said}]({address})" if address else said
    return found


def markdown(text: str, cited: Mapping[str, str] | None = None, pages: str = "") -> str:
    """MyST to plain Markdown; a computed value becomes its name in ‹ ›.

    ``cited``: what stands for the key of a work, see `references`. ``pages``: address of the rendered book, to
    which links to its pages lead; both may be left out.

    >>> markdown("{term}`Sweeps <Sweep>` of {glue:text}`n_mouse:,` cells, {numref}`fig-counts`")
    '*Sweeps* of ‹n_mouse› cells, figure “counts”'
    """
    for pattern, words in ROLES:
        text = pattern.sub(words, text)
    known = cited or {}
    text = CITATION.sub(lambda match: f"({'; '.join(known.get(key, key) for key in match[1].split(','))})", text)
    if pages:
        text = PAGE.sub(rf"]({pages}\1.html)", text)
    return ADMONITION.sub(_quote, text)


def _quote(match: re.Match[str]) -> str:
    lines = [f"**{match['title']}**", "", *match["body"].rstrip("\n").split("\n")]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def simplify(notebook: nbformat.NotebookNode, cited: Mapping[str, str] | None = None, pages: str = "") -> None:
    """Plain words in every Markdown cell, a caption below every figure, and computed sentences shown.

    ``cited`` and ``pages`` as for `markdown`.
    """
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "markdown":
            cell.source = markdown(cell.source, cited, pages)
            continue
        last = cell.source.rstrip().rpartition("\nresults.say(")
        if (last[1] or cell.source.startswith("results.say(")) and cell.source.rstrip().endswith(");"):
            cell.source = cell.source.rstrip()[:-1]  # the sentence is shown as the cell's result
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if figure.get("name") and figure.get("caption"):
            name = figure["name"].removeprefix("fig-")
            text = f"**Figure “{name}”.** {' '.join(markdown(figure['caption'], cited, pages).split())}"
            cells.append(nbformat.v4.new_markdown_cell(text, id=f"caption-{name}"[:64]))
    notebook.cells = cells
