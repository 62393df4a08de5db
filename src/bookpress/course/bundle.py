"""The student's and the instructor's copy of the course: folders that work by themselves, and a zip of each."""

from __future__ import annotations

import re
import shutil
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import nbformat
from packaging.requirements import Requirement

from bookpress import quiz
from bookpress.course.exercises import exercises, without_answers
from bookpress.course.plain import markdown, references, simplify
from bookpress.files import whole
from bookpress.hub import teaching_markdown
from bookpress.notebook import pair, sources
from bookpress.project import Project, write_text
from bookpress.provenance import run_records
from bookpress.template import fill_text

KINDS = ("student", "instructor")
#: Files of the repository that a bundle needs, beside its notebooks and the package.
FILES = ("LICENSE", "CITATION.cff")
LINK = re.compile(r"\]\(\.\./(?:\.\./)?(notebooks/|)(\w+)\.(?:ipynb|md)\)")
#: What opens the notebooks.
JUPYTER = "jupyterlab>=4"
INCLUDED = re.compile(r"```\{include\} \S+/teaching\.md\n```\n")
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
    cited, pages = references(project.root / "book" / "references.bib"), project.home
    project.build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=project.build, prefix=f".{kind}-") as made:
        folder = Path(made, kind)
        for source in sources(project):
            notebook = copy_of(source, kind, cited, pages)
            write_text(folder / f"{source.stem}.ipynb", nbformat.writes(notebook).rstrip("\n") + "\n")
        press = ("bookpress",) if kind == "instructor" else ()  # it holds what teachers expect in discussions
        for package in (*project.settings.packages, *press):
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
        for name, text in requirements(project).items():
            write_text(folder / name, text)
        write_text(folder / "README.md", readme(kind, project))
        shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)
    return _zip(target)


def teaching(project: Project, folder: Path, cited: Mapping[str, str], pages: str) -> None:
    """Guide, rubric, points of each exercise, what to expect in discussions, and the slides if they were made.

    Where the book has been run the guide says what its chapters took.
    """
    measured = teaching_markdown(run_records(project, project.chapters()), project.config["repository"])
    for page in sorted((project.root / "book" / "teaching").glob("*.md")):
        text = INCLUDED.sub(lambda _: measured, page.read_text("utf-8"))
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


def requirements(project: Project) -> dict[str, str]:
    """What pip installs for the chapters, file → text: direct needs, and the versions that the lock gives to all."""
    lines: list[str] = []
    for name in ("requirements.txt", "requirements-torch.txt"):
        lines += (project.root / name).read_text(encoding="utf-8").splitlines()
    pins = [line.removesuffix("\\").strip() for line in dict.fromkeys(lines) if line[:1].isalnum()]
    table = tomllib.loads((project.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "requirements.txt": "\n".join(["-c constraints.txt", *needed(table, project.settings.package), JUPYTER, ""]),
        "constraints.txt": "\n".join(["# The versions that the book was made with.", *sorted(set(pins)), ""]),
    }


def needed(project: Mapping[str, Any], package: str) -> list[str]:
    """What ``package`` with its extras asks for, ``project`` being the table of that name in its ``pyproject.toml``.

    >>> needed({"name": "a", "dependencies": ["b>=1"], "optional-dependencies": {"x": ["a[y]"], "y": ["c"]}}, "a[x]")
    ['b>=1', 'c']
    """
    found, extras = list(project["dependencies"]), sorted(Requirement(package).extras)
    for extra in extras:
        for line in project["optional-dependencies"][extra]:
            own = Requirement(line)
            if own.name == project["name"]:
                extras += sorted(own.extras - set(extras))
            else:
                found.append(line)
    return list(dict.fromkeys(found))


def readme(kind: str, project: Project) -> str:
    """The first file that a student or an instructor opens."""
    text = files("bookpress.course").joinpath(f"README.{kind}.md").read_text("utf-8")
    torch = re.search(r"^torch==[\d.]+", (project.root / "requirements-torch.txt").read_text("utf-8"), re.MULTILINE)
    return fill_text(text, pages=project.home, torch=torch[0] if torch else "torch")


def _zip(folder: Path) -> Path:
    """``folder`` as a zip beside it; equal folders give equal bytes."""
    path = folder.with_suffix(".zip")
    with whole(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(f"{folder.name}/{file.relative_to(folder).as_posix()}", ZIP_DATE)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, file.read_bytes())
    return path
