"""What a teacher does with the table of grades: keep it, hand out feedback, hide names, import it elsewhere."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pandas as pd

from bookpress.course.collect import Student
from bookpress.files import write_text

#: What a spreadsheet takes for a formula.
FORMULA = ("=", "+", "-", "@", "\t")
FIXED = ("student", "points", "of", "percent", "notes")


def safe(text: str) -> str:
    """A cell that no spreadsheet takes for a formula.

    >>> safe("=1+1")
    "'=1+1"
    >>> safe("-")
    '-'
    """
    return f"'{text}" if text.startswith(FORMULA) and len(text) > 1 else text


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """The table as CSV; whole or not at all."""
    words = {name: table[name].map(lambda value: safe(str(value))) for name in table.select_dtypes(object)}
    write_text(path, table.assign(**words).to_csv(index=False))


def anonymous(table: pd.DataFrame, names: Path) -> pd.DataFrame:
    """The table with a number for each name; ``names`` is the key to them, and keeps numbers that it has."""
    known: dict[str, str] = {}
    if names.is_file():
        kept = pd.read_csv(names, dtype=str)
        known = dict(zip(kept["student"], kept["id"], strict=True))
    for name in sorted(set(table["student"]) - set(known), key=lambda name: hashlib.sha256(name.encode()).digest()):
        known[name] = f"P{len(known) + 1:03d}"
    write_csv(pd.DataFrame({"student": list(known), "id": list(known.values())}), names)
    return table.assign(student=table["student"].map(known)).sort_values("student", ignore_index=True)


def feedback(row: pd.Series, points: dict[str, float]) -> str:
    """What one student is told, as Markdown: ``points``, exercise → what it is worth."""
    said = dict(re.findall(r"(?:^| \| )(\S+ \d+): ((?:(?! \| ).)*)", row["notes"]))
    lines = [f"# {row['student']}", "", f"{row['points']:g} of {row['of']:g} points ({row['percent']:g} %)", ""]
    lines += ["| Exercise | Points | What the check says |", "| --- | ---: | --- |"]
    for name, worth in points.items():
        word = said.get(name, "passed" if row[name] else "").replace("|", "\\|")
        lines.append(f"| {name} | {row[name]:g} of {worth:g} | {word} |")
    others = [note for note in row["notes"].split(" | ") if note and not re.match(r"\S+ \d+: ", note)]
    return "\n".join([*lines, "", *(f"- {note}" for note in others)]).rstrip() + "\n"


def write_feedback(table: pd.DataFrame, points: dict[str, float], folder: Path) -> list[Path]:
    """One file a student in ``folder``."""
    written: list[Path] = []
    for _, row in table.iterrows():
        stem = re.sub(r"[^\w .-]", "_", row["student"]).strip(" .") or "student"
        path = folder / f"{stem}.md"
        number = 1
        while path in written:
            number += 1
            path = folder / f"{stem} ({number}).md"
        write_text(path, feedback(row, points))
        written.append(path)
    return written


def moodle(table: pd.DataFrame, students: list[Student]) -> pd.DataFrame:
    """Moodle's grading worksheet, filled in, to be uploaded with "Upload grading worksheet".

    Where the roster is such a worksheet all its columns are kept. Moodle takes a row by its "Identifier", and
    refuses a table without "Last modified (grade)".
    """
    by_name = {student.name: student for student in students}
    rows = []
    for _, row in table.iterrows():
        student = by_name[row["student"]]
        given = {key.strip().lower(): value for key, value in student.row.items() if key}
        columns = {name: given.get(name.lower()) or otherwise for name, otherwise in {
            "Identifier": f"Participant {student.id}" if student.id else "", "Full name": row["student"],
            "Email address": given.get("email", ""), "Status": "", "Maximum grade": row["of"],
            "Grade can be changed": "Yes", "Last modified (submission)": "-", "Last modified (grade)": "-",
        }.items()}  # fmt: skip
        rows.append(columns | {"Grade": row["points"], "Feedback comments": row["notes"]})
    return pd.DataFrame(rows)


def canvas(table: pd.DataFrame, students: list[Student], assignment: str) -> pd.DataFrame:
    """Rows as Canvas's gradebook imports them; the second line says what the assignment is worth."""
    by_name = {student.name: student for student in students}
    columns = ("ID", "SIS User ID", "SIS Login ID", "Section")
    first = {"Student": "    Points Possible"} | dict.fromkeys(columns, "") | {assignment: table["of"].max()}
    rows = [first]
    for _, row in table.iterrows():
        student = by_name[row["student"]]
        given = {name: student.row.get(name) or "" for name in columns}
        given["ID"] = given["ID"] or student.id
        rows.append({"Student": row["student"]} | given | {assignment: row["points"]})
    return pd.DataFrame(rows)
