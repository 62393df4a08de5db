"""Grading: only answers count, each alone; nothing a student hands in stops the batch."""

from __future__ import annotations

import nbformat
import pandas as pd
import pytest

from bookpress.__main__ import main
from bookpress.course.exercises import exercises
from bookpress.course.grade import answer, grade, mark, n_checks, submissions
from bookpress.project import BookError

from .test_exercises import notebook

CHECK = "for x in (0, 1):\n    assert twice(x) == 2 * x, 'Twice, please.'\nassert twice('a') == 'aa', 'Also words.'"
CHAPTER = [
    ("code", "base = 2\nquick = False", []),
    ("markdown", "## Exercises\n\n### Exercise 1: Twice", []),
    ("code", "def twice(x):\n    # BEGIN SOLUTION\n    return base * x\n    # END SOLUTION", ["solution"]),
    ("code", CHECK, ["check"]),
    ("markdown", "### Exercise 2: Name", []),
    ("code", "# BEGIN SOLUTION\nname = 'Sst'\n# END SOLUTION", ["solution"]),
    ("code", "assert name, 'Give a name.'\nassert quick, 'Graded quickly.'", ["check"]),
]


def handed_in(first: str, second: str = "name = 'Vip'", tamper: str = "assert True") -> nbformat.NotebookNode:
    cells = [list(cell) for cell in CHAPTER]
    cells[2][1], cells[3][1], cells[5][1] = first, tamper, second
    cells[0][1] = "base = 1 / 0"  # what else a student breaks does not count
    return notebook(*map(tuple, cells))


def test_checks_are_counted_by_statement():
    assert n_checks(CHAPTER[3][1]) == 2


def test_answers_are_found_under_their_heading_also_when_cells_are_added():
    submitted = handed_in("a = 1")
    submitted.cells.insert(3, nbformat.v4.new_code_cell("b = 2"))
    assert answer(submitted, 1) == "a = 1\n\nb = 2"
    assert answer(submitted, 2) == "name = 'Vip'"
    assert answer(submitted, 3) is None


def test_a_folder_without_submissions_is_told(tmp_path):
    with pytest.raises(BookError, match=r"^found no STUDENT/NN_name.ipynb in .*, expected one folder a student"):
        submissions(tmp_path)
    assert main(["grade", str(tmp_path), "--chapters", str(tmp_path)]) == 1


@pytest.mark.slow
def test_a_batch_is_graded_whatever_is_in_it(tmp_path, capsys):
    chapter = notebook(*CHAPTER)
    good = "def twice(x):\n    return base * x"
    wrong = "def twice(x):\n    return 2 * x if x else 1"
    classes = {
        "ann": handed_in(good),
        "bob": handed_in(wrong, "import os\nos._exit(1)"),
        "cleo": handed_in("def twice(x: return", "raise NotImplementedError('Exercise 2: replace')"),
        "dan": handed_in("while True: pass"),
        "gil": handed_in("def twice(x):\n    raise NotImplementedError('Exercise 1: replace')"),
    }
    for student, submitted in classes.items():
        (tmp_path / "in" / student).mkdir(parents=True)
        nbformat.write(submitted, tmp_path / "in" / student / "01_data.ipynb")
    for student, text in (("eve", "{"), ("fay", "[]")):
        (tmp_path / "in" / student).mkdir()
        (tmp_path / "in" / student / "01_data.ipynb").write_text(text)
    nbformat.write(chapter, tmp_path / "01_data.ipynb")
    out = tmp_path / "grades.csv"
    assert main(["grade", str(tmp_path / "in"), "--chapters", str(tmp_path), "--out", str(out), "--limit", "8"]) == 0
    table = pd.read_csv(out).set_index("student")
    assert table["passed"].to_dict() == {"ann": 4, "bob": 1, "cleo": 0, "dan": 2, "gil": 2, "eve": 0, "fay": 0}
    assert (table["checks"] == 4).all()
    assert table.loc["bob", "01_data 1"] == "1/2"
    assert pd.isna(table.loc["ann", "notes"])
    notes = table["notes"]
    assert "01_data 1: Twice, please." in notes["bob"] and "01_data 2: the kernel died" in notes["bob"]
    assert "SyntaxError" in notes["cleo"] and "01_data 2: not answered" in notes["cleo"]
    assert notes["dan"] == "01_data 1: took longer than 8 s"
    assert notes["gil"] == "01_data 1: not answered"
    assert notes["eve"].startswith("01_data: not a readable notebook")
    assert notes["fay"].startswith("01_data: not a readable notebook")
    assert "ann: 4 of 4 checks" in capsys.readouterr().out


@pytest.mark.slow
def test_a_chapters_own_failure_is_not_the_students():
    cells = [("code", "base = 1 / 0\nquick = True", []), *CHAPTER[1:]]
    chapter = notebook(*cells)
    got = mark(chapter, exercises(chapter, "x")[0], "def twice(x):\n    return base * x")
    assert (got.passed, got.reason) == (0, "the chapter's own cells failed: ZeroDivisionError: division by zero")


@pytest.mark.slow
def test_chapters_find_what_earlier_ones_left_and_answers_cannot_change_it(tmp_path, monkeypatch):
    left = tmp_path / "_build" / "predictions" / "04_random_forest.parquet"
    left.parent.mkdir(parents=True)
    pd.DataFrame({"p": [0.25]}).to_parquet(left)
    (tmp_path / "science").mkdir()
    monkeypatch.delenv("HELPERS_BUILD", raising=False)
    monkeypatch.delenv("HELPERS_SCIENCE", raising=False)
    monkeypatch.chdir(tmp_path)
    code = "from helpers.report import predictions\nleft = predictions('04_random_forest')"
    check = (
        "from patchtype.settings import science_folder\n"
        "assert left['p'].tolist() == [0.25], 'left'\nassert science_folder().is_dir(), 'science'"
    )
    chapter = notebook(
        ("code", code, []), ("markdown", "## Exercises\n\n### Exercise 1: Spoil", []),
        ("code", "# BEGIN SOLUTION\nname = 1\n# END SOLUTION", ["solution"]), ("code", check, ["check"]),
    )
    kept = "build_folder() / 'predictions' / '04_random_forest.parquet'"
    spoil = f"from patchtype.settings import build_folder\n({kept}).unlink()"
    got = mark(chapter, exercises(chapter, "x")[0], spoil)
    assert (got.passed, got.reason) == (2, "")
    assert left.exists()


def test_one_row_a_student_and_only_chapters_handed_in(tmp_path):
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "99_other.ipynb").write_text("{")
    table = grade(tmp_path, {"01_data": notebook(*CHAPTER)}, tell=lambda text: None)
    assert table.to_dict("records") == [
        {"student": "ann", "passed": 0, "checks": 0, "notes": "99_other: no chapter of this name"}
    ]
