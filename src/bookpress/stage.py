"""Lay out the folder that Jupyter Book renders: pages, executed notebooks, generated fragments, banners."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import yaml

from bookpress import quiz
from bookpress.alt import speak
from bookpress.course.exercises import BEGIN, END, exercises, stub
from bookpress.hub import teaching_markdown
from bookpress.notebook import needs
from bookpress.project import BookError, Project, write_text
from bookpress.provenance import provenance_markdown, run_records
from bookpress.results import Rows, ledger, merge
from bookpress.template import fill_text

#: What stands on a folded cell of an exercise instead of "Show code cell source".
FOLDED = {
    "solution": {"code_prompt_show": "Show the solution", "code_prompt_hide": "Hide the solution"},
    "check": {"code_prompt_show": "Show the check", "code_prompt_hide": "Hide the check"},
}
SIMULATED_RUN = (
    "This page was run on simulated cells. Its numbers and figures show that the method works. "
    "They say nothing about real neurons."
)
SIMULATED_RESULT = "Some results on this page come from simulated cells. Each of them says so."
SIMULATED_BOOK = "Some chapters use simulated cells: {chapters}. Those numbers are not about real neurons."
SIMULATED_ALL = "All chapters were run on simulated cells. No number here is about real neurons."
QUICK_RUN = "This page was made by a quick run, with fewer repeats and folds. Its numbers are rough."


def stage(project: Project) -> Path:
    """Fill ``_build/stage`` afresh; returns it.

    Every notebook of ``_toc.yml`` must have been executed, else BookError. Pages keep the path they have in
    the repository, so that launch buttons and links between pages need no translation.
    """
    pages, chapters = project.pages(), project.chapters()
    missing = [name for name in chapters if not (project.executed / f"{name}.ipynb").is_file()]
    if missing:
        raise BookError(f"Not executed yet: {', '.join(missing)}; `make book` runs them.")
    runs = run_records(project, chapters)
    results = merge(project, chapters)

    shutil.rmtree(project.stage, ignore_errors=True)
    project.stage.mkdir(parents=True)
    for name in ("book", "assets"):
        shutil.copytree(project.root / name, project.stage / name)
    shutil.copy(project.root / "_toc.yml", project.stage)
    _configure(project)
    generated = project.stage / "book" / "generated"
    write_text(generated / "provenance.md", provenance_markdown(project, runs))
    write_text(generated / "ledger.md", ledger(project, results))
    write_text(generated / "teaching.md", teaching_markdown(runs, project.config["repository"]))

    banners = notebook_banners(project, runs, results)
    for name in chapters:
        target = project.stage / "notebooks" / f"{name}.ipynb"
        target.parent.mkdir(exist_ok=True)
        shutil.copy(project.executed / f"{name}.ipynb", target)
        _dress(target, project.notebooks / f"{name}.md", banners.get(name), project.settings.answers)
    _banner_in_pages(project, pages[0], banners)
    return project.stage


def notebook_banners(project: Project, runs: list[dict[str, Any]], results: Rows) -> dict[str, str]:
    """Banner of each notebook that needs one.

    It ran on simulated cells (itself or what it builds on), records a simulated result, or ran quickly.
    """
    simulated = {run["notebook"] for run in runs if run["cohort"] in project.settings.simulated}
    before = {run["notebook"]: needs(project.notebooks / f"{run['notebook']}.md") for run in runs}
    while new := {name for name, wanted in before.items() if simulated & set(wanted)} - simulated:
        simulated |= new
    partly = {row["notebook"] for row in results.values() if row["cohort"] in project.settings.simulated} - simulated
    banners: dict[str, str] = {}
    for run in runs:
        name = run["notebook"]
        if name in simulated:
            banners[name] = _admonition("Simulated cells", SIMULATED_RUN, "simulated")
        elif name in partly:
            banners[name] = _admonition("Simulated cells", SIMULATED_RESULT, "simulated")
        if run["quick"]:
            banners[name] = banners.get(name, "") + _admonition("Quick run", QUICK_RUN, "quick")
    return banners


def insert_after_title(text: str, banner: str) -> str:
    """``text`` with ``banner`` below its first-level heading, or on top where there is none.

    >>> insert_after_title("# A\\nb", "c")
    '# A\\n\\nc\\nb'
    """
    title = re.search(r"^# .*$", text, flags=re.MULTILINE)
    if not title:
        return f"{banner}\n{text}"
    return f"{text[: title.end()]}\n\n{banner}{text[title.end() :]}"


def _admonition(title: str, sentence: str, kind: str) -> str:
    return f":::{{admonition}} {title}\n:class: warning book-{kind}\n{sentence}\n:::\n"


def _dress(path: Path, source: Path, banner: str | None, answers: bool = True) -> None:
    """What a staged chapter has beyond its executed copy: banner, quiz, folded answers or none, spoken alt texts."""
    notebook = nbformat.read(path, as_version=4)
    speak(notebook)
    first = next((cell for cell in notebook.cells if cell.cell_type == "markdown"), None)
    if first is None:
        raise BookError(f"{path.name} has no Markdown cell; a chapter starts with its title.")
    if banner:
        first.source = insert_after_title(first.source, banner)
    for exercise in () if answers else exercises(notebook, source.stem):
        cell = notebook.cells[exercise.solution]
        cell.source, cell.outputs = stub(cell.source, exercise.number), []
        cell.metadata["tags"] = [tag for tag in cell.metadata["tags"] if tag not in ("solution", "hide-input")]
    for cell in notebook.cells:
        if "solution" in cell.metadata.get("tags", []):  # the marks are for the machine that takes the answer out
            lines = cell.source.split("\n")
            cell.source = "\n".join(line for line in lines if line.strip() not in (BEGIN, END))
        for tag, words in FOLDED.items():
            if tag in cell.metadata.get("tags", []):
                cell.metadata["mystnb"] = {**cell.metadata.get("mystnb", {}), **words}
                # What an answer prints gives it away, so it is folded with the answer.
                cell.metadata["tags"] = [
                    "hide-cell" if (tag, name) == ("solution", "hide-input") else name
                    for name in cell.metadata["tags"]
                ]
    questions = quiz.of_chapter(source)
    if questions:
        quiz.insert(notebook, quiz.as_html(questions, source.stem))
    nbformat.write(notebook, path)


def _banner_in_pages(project: Project, index: str, banners: dict[str, str]) -> None:
    """The index names the chapters run on simulated cells; a page that quotes such a chapter carries its banner."""
    for page in sorted((project.stage / "book").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        quoted = [banner for name, banner in banners.items() if f"{name}.ipynb::" in text]
        if page.relative_to(project.stage).with_suffix("").as_posix() == index:
            simulated = [name for name, banner in banners.items() if SIMULATED_RUN in banner]
            quoted = [banner for banner in quoted if "book-simulated" not in banner]
            if simulated:
                links = ", ".join(f"{{doc}}`../notebooks/{name}`" for name in simulated)
                every = len(simulated) == len(list((project.stage / "notebooks").glob("*.ipynb")))
                sentence = SIMULATED_ALL if every else SIMULATED_BOOK.format(chapters=links)
                quoted.insert(0, _admonition("Simulated cells", sentence, "simulated"))
            elif any("book-quick" in banner for banner in banners.values()):
                quoted.insert(0, _admonition("Quick run", QUICK_RUN, "quick"))
        if quoted:
            write_text(page, insert_after_title(text, "\n".join(dict.fromkeys(quoted))))


def _configure(project: Project) -> None:
    """Configuration and page for lost readers, with the book's address worked out from its repository."""
    html = project.config.get("html", {}) | {"baseurl": project.home}
    if not project.settings.answers:  # the sources there hold them
        html["use_repository_button"] = False
    config = project.config | {"html": html}
    write_text(project.stage / "_config.yml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    lost = project.root / "assets" / "404.html"
    write_text(project.stage / "404.html", fill_text(lost.read_text(encoding="utf-8"), home=project.home))
    (project.stage / "assets" / "404.html").unlink()
