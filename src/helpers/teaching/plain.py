"""A chapter's Markdown for readers without the book's renderer: roles and directives become plain words."""

from __future__ import annotations

import re

import nbformat

ADMONITION = re.compile(
    r"^:::\{admonition\} (?P<title>.+)\n(?::[\w-]+:.*\n)*(?P<body>(?:(?!:::).*\n)*):::$", re.MULTILINE
)
ROLES = [
    (re.compile(r"\{term\}`([^`<]+?)(?:\s*<[^`>]*>)?`"), r"*\1*"),
    (re.compile(r"\{cite:p\}`([^`]+)`"), r"(\1)"),
    (re.compile(r"\{numref\}`fig-([^`]+)`"), r"figure “\1”"),
    (re.compile(r"\{eq\}`eq-([^`]+)`"), r"the equation “\1”"),
    (re.compile(r"\$\$ \(eq-([\w-]+)\)"), r"$$\n\nThis is the equation “\1”."),
    (re.compile(r"\{glue:text\}`([\w.]+)(?::[^`]*)?`"), r"‹\1›"),
]


def markdown(text: str) -> str:
    """MyST to plain Markdown; a computed value becomes its name in ‹ ›.

    >>> markdown("{term}`Sweeps <Sweep>` of {glue:text}`n_mouse:,` cells, {numref}`fig-counts`")
    '*Sweeps* of ‹n_mouse› cells, figure “counts”'
    """
    for pattern, words in ROLES:
        text = pattern.sub(words, text)
    return ADMONITION.sub(_quote, text)


def _quote(match: re.Match[str]) -> str:
    lines = [f"**{match['title']}**", "", *match["body"].rstrip("\n").split("\n")]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def simplify(notebook: nbformat.NotebookNode) -> None:
    """Plain words in every Markdown cell, a caption below every figure, and computed sentences shown."""
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "markdown":
            cell.source = markdown(cell.source)
            continue
        last = cell.source.rstrip().rpartition("\nresults.say(")
        if (last[1] or cell.source.startswith("results.say(")) and cell.source.rstrip().endswith(");"):
            cell.source = cell.source.rstrip()[:-1]  # the sentence is shown as the cell's result
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if figure.get("name") and figure.get("caption"):
            name = figure["name"].removeprefix("fig-")
            text = f"**Figure “{name}”.** {' '.join(markdown(figure['caption']).split())}"
            cells.append(nbformat.v4.new_markdown_cell(text, id=f"caption-{name}"[:64]))
    notebook.cells = cells
