"""The student's and the instructor's copy of the course: folders that work by themselves, and a zip of each."""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import nbformat

from bookpress import quiz
from bookpress.course.exercises import exercises, without_answers
from bookpress.course.plain import markdown, references, simplify
from bookpress.files import whole
from bookpress.notebook import pair, sources
from bookpress.project import Project, write_text

KINDS = ("student", "instructor")
#: Files of the repository that a bundle needs, beside its notebooks and the package.
FILES = ("LICENSE", "CITATION.cff")
LINK = re.compile(r"\]\(\.\./(?:\.\./)?(notebooks/|)(\w+)\.(?:ipynb|md)\)")
ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def student_copy(source: Path) -> nbformat.NotebookNode:
    """A chapter with each answer replaced by a stub; the checks stay.

    Raises BookError when an exercise is not of the agreed shape.
    """
    notebook = pair(source)
    without_answers(notebook, source.stem)
    return notebook


def copy_of(source: Path, kind: str, cited: Mapping[str, str], pages: str) -> nbformat.NotebookNode:
    """One chapter as a bundle of ``kind`` holds it: no outputs, the quiz as text before the exercises.

    ``cited`` and ``pages`` as for `bookpress.course.plain.markdown`.
    """
    notebook = student_copy(source) if kind == "student" else pair(source)
    questions = quiz.of_chapter(source)
    if questions:
        quiz.insert(notebook, quiz.as_text(questions))
    simplify(notebook, cited, pages)
    nbformat.validate(notebook)
    return notebook


def write(project: Project, kind: str) -> Path:
    """Make ``_build/<kind>/`` and its zip anew; returns the zip.

    The folder is complete or it is not there: it is made under another name first.
    """
    target = project.build / kind
    cited, home, pages = references(project.root / "book" / "references.bib"), project.repository, project.home
    project.build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=project.build, prefix=f".{kind}-") as made:
        folder = Path(made, kind)
        for source in sources(project):
            notebook = copy_of(source, kind, cited, pages)
            write_text(folder / f"{source.stem}.ipynb", nbformat.writes(notebook).rstrip("\n") + "\n")
        for package in (*project.settings.packages, "bookpress"):
            shutil.copytree(
                project.root / "src" / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        kept = project.root / project.settings.kept
        if kept.is_dir():
            shutil.copytree(kept, folder / kept.name)
        for name in FILES:
            shutil.copy(project.root / name, folder)
        if kind == "instructor":
            teaching(project, folder, cited, pages)
        write_text(folder / "pyproject.toml", told(project.root / "pyproject.toml"))
        write_text(folder / "requirements.txt", requirements(project.root))
        write_text(folder / "README.md", readme(kind, home, pages))
        shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)
    return _zip(target)


def teaching(project: Project, folder: Path, cited: Mapping[str, str], pages: str) -> None:
    """Guide, rubric, points of each exercise, what to expect in discussions, and the slides if they were made."""
    for page in sorted((project.root / "book" / "teaching").glob("*.md")):
        text = re.sub(r"```\{include\}.*?```\n", "", page.read_text("utf-8"), flags=re.DOTALL)
        text = LINK.sub(lambda met: f"]({pages}{met[1] or 'book/'}{met[2]}.html)", markdown(text, cited, pages))
        write_text(folder / "teaching" / page.name, text)
    shutil.copy(files("bookpress.course").joinpath("discussion.instructor.md"), folder / "teaching" / "discussion.md")
    rows = ["chapter,exercise,title,points"]
    for source in sources(project):
        for exercise in exercises(pair(source), source.stem):
            rows.append(f'{source.stem},{exercise.number},"{exercise.title}",{exercise.points:g}')
    write_text(folder / "teaching" / "points.csv", "\n".join(rows) + "\n")
    if (project.build / "slides.html").is_file():
        shutil.copy(project.build / "slides.html", folder / "teaching")


def told(path: Path) -> str:
    """The table ``[tool.bookpress]`` of a ``pyproject.toml`` as it is written, by which grading knows the book."""
    text = path.read_text("utf-8")
    return re.search(r"^\[tool\.bookpress\]\n(?:[^\[\n].*\n|\n)*", text, re.MULTILINE)[0].rstrip() + "\n"


def requirements(root: Path) -> str:
    """The book's locked versions, every package, torch without CUDA, and what opens notebooks; for pip."""
    lines = ["# Locked and complete. Install with: pip install -r requirements.txt",
             "--extra-index-url https://download.pytorch.org/whl/cpu", "jupyterlab>=4"]
    for name in ("requirements.txt", "requirements-torch-cpu.txt"):
        text = (root / name).read_text(encoding="utf-8")
        lines += [line.removesuffix("\\").strip() for line in text.splitlines() if line[:1].isalnum()]
    return "\n".join(lines) + "\n"


def readme(kind: str, home: str, pages: str) -> str:
    """The first file that a student or an instructor opens; ``home`` and ``pages``: the repository and its book."""
    text = files("bookpress.course").joinpath(f"README.{kind}.md").read_text("utf-8")
    return text.replace("{{ pages }}", pages).replace("{{ repository }}", home)


def _zip(folder: Path) -> Path:
    """``folder`` as a zip beside it; equal folders give equal bytes."""
    path = folder.with_suffix(".zip")
    with whole(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(f"{folder.name}/{file.relative_to(folder).as_posix()}", ZIP_DATE)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, file.read_bytes())
    return path
