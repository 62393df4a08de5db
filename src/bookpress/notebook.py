"""A notebook's MyST source, its output-free .ipynb pair, and what its front matter says about the run."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import yaml

from bookpress.colab import setup_cell
from bookpress.project import BookError, Project, read_json, write_text

QUICK = "quick = True  # fewer repeats, so that it runs in a small session; False gives the numbers of the pages"
PARAMETERS = ("cohort", "quick", "seed")


def sources(project: Project) -> list[Path]:
    """The MyST sources ``notebooks/NN_name.md``, in order."""
    return sorted(project.notebooks.glob("[0-9][0-9]_*.md"))


def read(source: Path) -> nbformat.NotebookNode:
    """MyST source to notebook. Cell ids depend on position alone, so that equal sources give equal bytes.

    Raises BookError when the source cannot be read or its first code cell is not the parameters cell.
    """
    if source.suffix != ".md":
        raise BookError(f"found {source}, expected a chapter's source such as notebooks/01_data.md; name that.")
    try:
        notebook = jupytext.read(source)
    except Exception as error:
        raise BookError(f"{source} is not a readable MyST notebook: {error}") from error
    for position, cell in enumerate(notebook.cells):
        cell["id"] = f"{source.stem[:40]}-{position:03d}"
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    # The pairing is ours, made in one direction only: nothing of it belongs in the .ipynb.
    notebook.metadata.pop("jupytext", None)
    parameters(notebook, source)
    return notebook


def parameters(notebook: nbformat.NotebookNode, source: Path) -> dict[str, Any]:
    """Default parameters, as the first code cell (tagged ``parameters``) sets them."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not code or "parameters" not in code[0].metadata.get("tags", []):
        raise BookError(f"{source}: the first code cell must be tagged `parameters`.")
    try:
        found = {
            target.id: ast.literal_eval(statement.value)
            for statement in ast.parse(code[0].source).body
            if isinstance(statement, ast.Assign)
            for target in statement.targets
            if isinstance(target, ast.Name)
        }
    except (SyntaxError, ValueError) as error:
        raise BookError(f"{source}: parameters must be plain values ({error}).") from error
    missing = [name for name in PARAMETERS if name not in found]
    if missing:
        raise BookError(
            f"{source}: the parameters cell does not set {', '.join(missing)}; "
            'it must hold cohort = "published", quick = False and seed = 7.'
        )
    return found


def needs(source: Path) -> list[str]:
    """Names of the notebooks that must have run before this one: ``bookpress: {needs: [...]}`` in its head."""
    head = front_matter(source).get("bookpress") or {}
    wanted = head.get("needs") or [] if isinstance(head, dict) else None
    if not isinstance(wanted, list):
        raise BookError(f"{source}: `bookpress` must look like `bookpress: {{needs: [01_data]}}`.")
    for name in wanted:
        if not source.with_name(f"{name}.md").is_file():
            raise BookError(f"{source} needs {name}, but there is no {source.with_name(f'{name}.md')}.")
    return [str(name) for name in wanted]


def front_matter(source: Path) -> dict[str, Any]:
    """The YAML head of a MyST file; empty when there is none."""
    text = source.read_text(encoding="utf-8")
    if not text.startswith("---\n"):
        return {}
    try:
        head = yaml.safe_load(text[4:].partition("\n---")[0])
    except yaml.YAMLError as error:
        raise BookError(f"{source}: the head between the --- lines is not YAML: {error}") from error
    return head if isinstance(head, dict) else {}


def make_rules(project: Project) -> str:
    """What depends on what, and with what to begin, as lines of a Makefile. Raises BookError on a circle.

    Make takes the chapters in the order of ``EXECUTED``: first that after which most work has to wait or follow, so
    that all processors are busy to the end.
    """
    wanted = {source.stem: needs(source) for source in sources(project)}
    ready: list[str] = []
    while len(ready) < len(wanted):
        now = [name for name, before in wanted.items() if name not in ready and set(before) <= set(ready)]
        if not now:
            raise BookError(
                f"Notebooks need each other in a circle: {', '.join(sorted(set(wanted) - set(ready)))}."
            )
        ready += now
    ahead: dict[str, float] = {}  # seconds from a chapter's start to the end of the last that waits for it
    for name in reversed(ready):
        after = [ahead[other] for other, before in wanted.items() if name in before]
        ahead[name] = seconds(project, name) + max(after, default=0.0)
    first = sorted(ready, key=ahead.__getitem__, reverse=True)
    where = project.executed.relative_to(project.root).as_posix()
    order = " ".join(f"{where}/{name}.ipynb" for name in first)
    rules = [f"EXECUTED := $(filter $(EXECUTED),{order}) $(filter-out {order},$(EXECUTED))\n"]
    rules += [
        f"{where}/{name}.ipynb: {' '.join(f'{where}/{other}.ipynb' for other in before)}\n"
        for name, before in wanted.items()
        if before
    ]
    return "".join(rules)


def seconds(project: Project, name: str) -> float:
    """What a notebook took when it last ran here, or else what the book's settings expect, or a minute."""
    record = project.runs / f"{name}.json"
    return read_json(record)["wall_s"] if record.is_file() else project.settings.seconds.get(name, 60.0)


def pair(source: Path) -> nbformat.NotebookNode:
    """The notebook for Jupyter: the source's cells, after one that makes it work on Colab."""
    notebook = read(source)
    setup = setup_cell(source.parent.parent)
    if setup is not None:
        notebook.cells.insert(0, setup)
    return notebook


def pair_text(source: Path) -> str:
    """The text that ``notebooks/NN_name.ipynb`` must hold: what Binder, Colab and a hub open has no answers."""
    from bookpress.course.exercises import without_answers

    notebook = pair(source)
    without_answers(notebook, source.stem)
    nbformat.validate(notebook)
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def stale_pairs(project: Project) -> list[Path]:
    """Sources whose .ipynb is missing or says something else."""
    return [
        source
        for source in sources(project)
        if not (copy := source.with_suffix(".ipynb")).is_file()
        or copy.read_text(encoding="utf-8") != pair_text(source)
    ]


def write_pairs(project: Project) -> list[Path]:
    """Bring every .ipynb up to date; the files written."""
    written = stale_pairs(project)
    for source in written:
        write_text(source.with_suffix(".ipynb"), pair_text(source))
    return written


def with_parameters(source: str, **values: Any) -> str:
    """Code in which each line that sets one of the parameters to a plain value sets it to another.

    >>> with_parameters('cohort = "published"  # data\\nquick = False', cohort="simulated", quick=True)
    'cohort = "simulated"  # data\\nquick = True'
    """
    for name, value in values.items():
        written = json.dumps(value) if isinstance(value, str) else repr(value)
        plain = rf'^{name} = ("\w+"|True|False|\d+)(?=\s|$)'
        source = re.sub(plain, f"{name} = {written}", source, flags=re.MULTILINE)
    return source


def quicken(project: Project) -> list[Path]:
    """Write every .ipynb with ``quick = True`` in its parameters cell, as Binder opens it; the files written.

    The sources stay. BookError where a parameters cell has no line ``quick = False`` to change.
    """
    written = []
    for source in sources(project):
        notebook = nbformat.reads(pair_text(source), as_version=4)
        cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
        cell.source, changed = re.subn(r"^quick = False\b.*$", QUICK, cell.source, flags=re.MULTILINE)
        if not changed and not parameters(notebook, source)["quick"]:
            raise BookError(f"{source}: found no line `quick = False` in the parameters cell, expected one.")
        written.append(source.with_suffix(".ipynb"))
        write_text(written[-1], nbformat.writes(notebook).rstrip("\n") + "\n")
    return written
