"""Find who handed in which chapter: in folders, zips and the flat names of a learning platform; nobody is lost.

Moodle, Canvas, browsers and Jupyter rename files, each in its way. What cannot be read becomes a reason, not an error.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
import zipfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import nbformat
from nbformat.validator import NotebookValidationError

from bookpress.project import BookError

#: Bytes of one notebook, and of all of one zip, unpacked.
LARGEST, LARGEST_ZIP = 50_000_000, 500_000_000
MOODLE = re.compile(r"^(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?(?P<rest>.*)$")
CANVAS = re.compile(r"^(?P<name>[^\W_]+)(?:_LATE)?_(?P<id>\d+)_\d+_(?P<rest>.+)$")
#: How browsers, Canvas, Jupyter and Colab name a copy.
COPY = re.compile(r"(?:\s*\((?P<a>\d+)\)|-Copy(?P<b>\d+)|-(?P<c>\d+)|\s+copy(?:\s(?P<d>\d+))?)$")
COPY_OF = re.compile(r"^(?:copy|kopie) (?:of|von) ", re.IGNORECASE)


@dataclass
class Student:
    """One person: the notebook of each chapter, and what could not be read."""

    name: str
    id: str = ""
    notebooks: dict[str, nbformat.NotebookNode] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    row: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _File:
    """A file handed in: the path as the student or the platform named it, and its bytes or why there are none."""

    path: PurePosixPath
    data: bytes = b""
    reason: str = ""
    time: float = 0.0


def collect(
    folders: Sequence[Path], chapters: dict[str, nbformat.NotebookNode], roster: Path | None = None
) -> list[Student]:
    """Everybody who handed something in, and everybody on the roster, in order of name.

    ``folders``: folders or zips, with a folder, a zip or files for each student; where a student is in several, the
    later counts. ``roster``: a CSV with one row a student, of which any column may name the student.
    BookError when the call is wrong, never because of a submission.
    """
    students: dict[str, Student] = {}
    found: dict[tuple[str, str], list[tuple[int, int, float, _File]]] = {}
    for batch, file in ((number, file) for number, folder in enumerate(folders) for file in _files(folder)):
        who, number, rest = _owner(file.path, chapters)
        key = number or _key(who)  # two students of one name have two numbers
        student = students.setdefault(key, Student(who, number))
        if file.reason:
            student.notes.append(f"{file.path.name}: {file.reason}")
            continue
        stem, copy = _original(PurePosixPath(rest).stem)
        chapter = _chapter(stem, chapters)
        if chapter is None:
            chapter = _by_title(file.data, chapters)
        if chapter is None:
            student.notes.append(f"{file.path.name}: no chapter of this name")
            continue
        found.setdefault((key, chapter), []).append((batch, copy, file.time, file))
    for (key, chapter), files in sorted(found.items()):
        student = students[key]
        *older, (*_, file) = sorted(files, key=lambda item: (*item[:3], str(item[3].path)))
        notebook, reason = read(file.data)
        if older and notebook is None:  # an earlier copy that can be read is better than none
            for *_, other in reversed(older):
                notebook, _ = read(other.data)
                if notebook is not None:
                    file = other
                    break
        if older:
            student.notes.append(f"{chapter}: {len(files)} copies, graded {file.path.name}")
        if notebook is None:
            student.notes.append(f"{chapter}: {reason}")
        else:
            student.notebooks[chapter] = notebook
    if not students and roster is None:
        raise BookError(
            f"found no STUDENT/NN_name.ipynb in {folders[0]}, expected one folder a student; check the path."
        )
    return _with_roster(list(students.values()), roster)


def read(data: bytes) -> tuple[nbformat.NotebookNode | None, str]:
    """A notebook of version 4, or None and the reason; whatever the bytes are."""
    if not data.strip():
        return None, "the file is empty"
    if len(data) > LARGEST:
        return None, f"larger than {LARGEST // 1_000_000} MB; was data saved in it?"
    try:
        notebook = nbformat.reads(data.decode("utf-8-sig"), as_version=4)
        nbformat.validate(notebook)
    except UnicodeDecodeError:
        return None, "not a readable notebook (no UTF-8)"
    except (ValueError, NotebookValidationError, RecursionError, MemoryError) as error:
        return None, f"not a readable notebook ({type(error).__name__})"
    except Exception as error:  # nbformat meets lists, numbers and missing keys in its own ways
        return None, f"not a readable notebook ({type(error).__name__})"
    for cell in notebook.cells:
        if not isinstance(cell.metadata.get("tags", []), list):
            cell.metadata.pop("tags")
    return notebook, ""


def _files(folder: Path) -> Iterator[_File]:
    if folder.is_file():
        yield from _unpacked(folder.read_bytes(), PurePosixPath(""), 0)
        return
    for path in sorted(folder.rglob("*")):
        inside = PurePosixPath(path.relative_to(folder).as_posix())
        if _hidden(inside):
            continue
        if path.is_symlink():
            yield _File(inside, reason="a link, not a file")
            continue
        if path.is_dir():
            if len(inside.parts) == 1 and not any(item.is_file() for item in path.rglob("*")):
                yield _File(inside / "", reason="an empty folder")
            continue
        if not path.is_file() or path.suffix.lower() not in (".ipynb", ".zip"):
            if path.is_file():
                yield _File(inside, reason="not a notebook")
            continue
        try:
            data = path.read_bytes() if path.stat().st_size <= LARGEST_ZIP else None
        except OSError as error:
            yield _File(inside, reason=f"cannot be read ({error.strerror})")
            continue
        if data is None:
            yield _File(inside, reason="too large")
        elif path.suffix.lower() == ".zip":
            yield from _unpacked(data, inside.with_suffix(""), 0)
        else:
            yield _File(inside, data, time=path.stat().st_mtime)


def _unpacked(data: bytes, inside: PurePosixPath, depth: int) -> Iterator[_File]:
    """Files of a zip; its name stands for a folder."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            total, empty = 0, True
            for entry in sorted(archive.infolist(), key=lambda entry: entry.filename):
                path = inside / PurePosixPath(entry.filename.replace("\\", "/").lstrip("/"))
                if entry.is_dir() or _hidden(path) or ".." in path.parts:
                    continue
                empty = False
                if path.suffix.lower() not in (".ipynb", ".zip"):
                    continue
                total += entry.file_size
                if entry.file_size > LARGEST or total > LARGEST_ZIP:
                    yield _File(path, reason="too large")
                    continue
                content = archive.open(entry).read(LARGEST + 1)
                if path.suffix.lower() == ".zip":
                    if depth < 2:
                        yield from _unpacked(content, path.with_suffix(""), depth + 1)
                    else:
                        yield _File(path, reason="a zip in a zip in a zip")
                else:
                    yield _File(path, content, time=float("".join(f"{part:02d}" for part in entry.date_time)))
            if empty:
                yield _File(inside, reason="an empty zip")
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
        why = "it has a password" if "password" in str(error) else type(error).__name__
        yield _File(inside, reason=f"a zip that cannot be opened ({why})")


def _hidden(path: PurePosixPath) -> bool:
    return any(part.startswith((".", "__MACOSX")) or part in ("Thumbs.db", "desktop.ini") for part in path.parts)


def _owner(path: PurePosixPath, chapters: Collection[str]) -> tuple[str, str, str]:
    """Who handed a file in: name, number of the platform, and the file's own name."""
    first, own = path.parts[0], path.name
    for pattern in (MOODLE, CANVAS):
        met = pattern.match(first)
        if met:
            return _tidy(met["name"]), met["id"], own if len(path.parts) > 1 else met["rest"]
    if len(path.parts) > 1:
        return _tidy(first), "", own
    chapter = _chapter(_original(path.stem)[0], chapters)
    named = "[ _-]+".join(re.escape(word) for word in chapter.split("_")) if chapter else ""
    rest = re.sub(named, "", path.stem, flags=re.IGNORECASE) if chapter else path.stem
    return _tidy(_original(rest)[0]) or _tidy(path.stem), "", own


def _tidy(name: str) -> str:
    kept = "".join(c for c in unicodedata.normalize("NFC", name) if c.isprintable())
    return " ".join(kept.strip(" _-.,").split())[:100]


def _original(stem: str) -> tuple[str, int]:
    """The stem without what marks a copy, and the number of the copy.

    >>> _original("01_data (1)"), _original("Copy of 01_data"), _original("01_data-Copy2")
    (('01_data', 1), ('01_data', 1), ('01_data', 2))
    """
    copy = 0
    if COPY_OF.match(stem):
        stem, copy = COPY_OF.sub("", stem), 1
    while met := COPY.search(stem):
        copy = max(copy, *(int(n) for n in met.groups("1") if n))
        stem = stem[: met.start()]
    return stem, copy


def _chapter(stem: str, chapters: Collection[str]) -> str | None:
    plain = re.sub(r"[\s-]+", "_", stem.lower())
    met = [name for name in chapters if name.lower() in plain]
    return max(met, key=len) if met else None


def _by_title(data: bytes, chapters: dict[str, nbformat.NotebookNode]) -> str | None:
    """The chapter with the same title: for a notebook that was given another name."""
    notebook, _ = read(data)
    title = _title(notebook) if notebook else None
    return next((name for name, chapter in chapters.items() if title and _title(chapter) == title), None)


def _title(notebook: nbformat.NotebookNode) -> str | None:
    for cell in notebook.cells:
        met = re.search(r"^# (.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else None
        if met:
            return met[1].strip()
    return None


def _key(name: str) -> str:
    """The same for all ways to write a name: order of its parts, case and accents do not count.

    >>> _key("Meier, Änna") == _key("anna meier")
    True
    """
    return " ".join(sorted(_words(name)))


def _words(name: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", name.casefold())
    return re.findall(r"\w+", "".join(c for c in plain if not unicodedata.combining(c)).replace("_", " "))


def _with_roster(students: list[Student], roster: Path | None) -> list[Student]:
    if roster is None:
        return _distinct(sorted(students, key=lambda student: _key(student.name)))
    try:
        rows = list(csv.DictReader(io.StringIO(roster.read_text("utf-8-sig"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BookError(f"found no readable roster at {roster} ({error}), expected a CSV with a head.") from error
    rows = [{k: v.strip() for k, v in row.items() if k and isinstance(v, str) and v.strip()} for row in rows]
    if any("Student" in row for row in rows):  # Canvas's gradebook has lines above its first student
        rows = [row for row in rows if row.get("Student", "Points Possible") != "Points Possible"]
    if not any(rows):
        raise BookError(f"found no student in {roster}, expected a CSV with a head and one row a student; check it.")
    left, listed = list(students), []
    for row in filter(None, rows):
        name = _listed_name(row)
        keys = {_key(value) for value in (name, *row.values())} | _rotations(name)
        keys |= {_key(value.partition("@")[0]) for value in row.values() if "@" in value}
        numbers = {value.removeprefix("Participant ") for value in row.values()}
        mine = [student for student in left if _key(student.name) in keys or student.id in numbers - {""}]
        student = Student(_tidy(name), row=row, notes=[] if mine else ["nothing handed in"])
        for other in mine:
            left.remove(other)
            student.id = student.id or other.id
            twice = sorted(set(student.notebooks) & set(other.notebooks))
            student.notes += [f"{chapter}: handed in under two names, graded {other.name}" for chapter in twice]
            student.notebooks |= other.notebooks
            student.notes += other.notes
        listed.append(student)
    for student in left:
        student.notes.insert(0, "not on the roster")
    return _distinct(listed + left)


def _listed_name(row: dict[str, str]) -> str:
    """The name in a row of a roster, as course platforms head their columns; else the first column."""
    given = {key.casefold(): value for key, value in row.items()}
    for key in ("student", "full name", "name"):
        if key in given:
            return given[key]
    if "first name" in given:
        return f"{given['first name']} {given.get('last name') or given.get('surname', '')}"
    return next(iter(row.values()))


def _rotations(name: str) -> set[str]:
    """A name written as one word, beginning with each of its parts: Canvas writes "meieranna"."""
    words = _words(name)
    return {"".join(words[i:] + words[:i]) for i in range(len(words))}


def _distinct(students: list[Student]) -> list[Student]:
    """The same, with names that two share told apart."""
    names = [student.name for student in students]
    for number, student in enumerate(students):
        if names.count(student.name) > 1:
            student.name = f"{student.name} ({student.id or names[:number].count(student.name) + 1})"
    return students
