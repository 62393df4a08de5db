"""Grading: only answers count, each alone; everybody has a row; nothing a student hands in stops the batch."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from bookpress.__main__ import main
from bookpress.course import gradebook
from bookpress.course.collect import collect
from bookpress.course.exercises import exercises, stub
from bookpress.course.grade import Mark, Marks, _job, answer, grade, mark
from bookpress.project import BookError

from .test_exercises import notebook

CHECK = "for x in (0, 1):\n    assert twice(x) == 2 * x, 'Twice, please.'\nassert twice('a') == 'aa', 'Also words.'"
CHAPTER = [
    ("markdown", "# The data", []),
    ("code", "base = 2\nquick = False", []),
    ("markdown", "## Exercises\n\n### Exercise 1: Twice", []),
    ("code", "def twice(x):\n    # BEGIN SOLUTION\n    return base * x\n    # END SOLUTION", ["solution"]),
    ("code", CHECK, ["check"]),
    ("markdown", "### Exercise 2: Name", []),
    ("code", "# BEGIN SOLUTION\nname = 'Sst'\n# END SOLUTION", ["solution"]),
    ("code", "assert name, 'Give a name.'\nassert quick, 'Graded quickly.'", ["check"]),
]
GOOD = "def twice(x):\n    return base * x"


def chapter() -> nbformat.NotebookNode:
    made = notebook(*CHAPTER)
    made.cells[4].metadata["points"] = 3
    return made


def handed_in(first: str = GOOD, second: str = "name = 'Vip'", tamper: str = "assert True") -> nbformat.NotebookNode:
    cells = [list(cell) for cell in CHAPTER]
    cells[3][1], cells[4][1], cells[6][1] = first, tamper, second
    cells[1][1] = "base = 1 / 0"  # what else a student breaks does not count
    return notebook(*map(tuple, cells))


def put(path: Path, content: nbformat.NotebookNode | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(content or handed_in(), path)


def test_answers_are_found_under_their_heading_also_when_cells_are_added():
    one, two = exercises(chapter(), "x")
    submitted = handed_in("a = 1")
    submitted.cells[4:4] = [
        nbformat.v4.new_markdown_cell("# My prediction\n\n## What I think"), nbformat.v4.new_code_cell("b = 2"),
        nbformat.v4.new_markdown_cell("### What I conclude"), nbformat.v4.new_code_cell("c = 3"),
    ]  # fmt: skip
    assert answer(submitted, chapter(), one) == "a = 1\n\nb = 2\n\nc = 3"
    assert answer(submitted, chapter(), two) == "name = 'Vip'"
    assert answer(notebook(("markdown", "### Exercise 2", []), ("code", "x", [])), chapter(), one) is None


def test_a_lost_heading_a_lost_tag_and_a_stub_left_above_the_answer_cost_nothing():
    ours = chapter()
    one, two = exercises(ours, "x")
    submitted = handed_in("a = 1")
    for here, there in zip(submitted.cells, ours.cells, strict=True):
        here["id"], here.metadata["tags"] = there["id"], []
    submitted.cells[4].source = CHECK  # without its tag, known by its text
    stubbed = nbformat.v4.new_code_cell("raise NotImplementedError('Exercise 2: replace this line by your answer')")
    submitted.cells.insert(6, stubbed)
    submitted.cells[2].source = "my notes"
    assert answer(submitted, ours, one) == "a = 1"
    assert answer(submitted, ours, two).startswith("name = 'Vip'")
    untouched = notebook(*CHAPTER[:3], ("code", stub(CHAPTER[3][1], 1), []))
    assert answer(untouched, ours, one) == ""
    assert mark(ours, one, "").reason == "not answered"


@pytest.mark.parametrize("points", [0, -1, True, "2", 1000])
def test_points_that_are_none_are_told(points):
    made = chapter()
    made.cells[4].metadata["points"] = points
    with pytest.raises(BookError, match=rf"^x, exercise 1 is worth {points!r} points; write a number such as"):
        exercises(made, "x")


FORMS = {
    "Ann Ames/01_data.ipynb": "Ann Ames",
    "Bob Beck/week 1/mine/01_data (1).ipynb": "Bob Beck",
    "Cleo Cid.zip": "Cleo Cid",
    "Dan Dorn/all.zip": "Dan Dorn",
    "Eve Eck_2345_assignsubmission_file_/01_data.ipynb": "Eve Eck",
    "Fay Fox_2346_assignsubmission_file_01_data.ipynb": "Fay Fox",
    "gilgert_77_8123_01_data-1.ipynb": "gilgert",
    "halhirt_LATE_78_8124_01_data.ipynb": "halhirt",
    "Ida Ingo/Copy of 01_data.ipynb": "Ida Ingo",
    "Jo Jung/01_data-Copy1.ipynb": "Jo Jung",
    "Kim Kern/my homework.ipynb": "Kim Kern",
    "Léa Lang - 01 data (2).ipynb": "Léa Lang",
}


@pytest.fixture
def twelve(tmp_path):
    """One submission in each of the forms in which they come."""
    folder = tmp_path / "in"
    for name in FORMS:
        if not name.endswith(".zip"):
            put(folder / name)
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("work/01_data.ipynb", nbformat.writes(handed_in()))
            archive.writestr("__MACOSX/work/._01_data.ipynb", b"\0\0")
    put(folder / "Ann Ames" / ".ipynb_checkpoints" / "01_data-checkpoint.ipynb", handed_in("broken"))
    return folder


def test_twelve_submissions_in_every_form_are_twelve_rows(twelve):
    students = collect([twelve], {"01_data": chapter()})
    assert sorted(s.name for s in students) == sorted(FORMS.values())
    assert all(set(s.notebooks) == {"01_data"} and not s.notes for s in students)


def test_the_zip_of_a_whole_class_is_the_same(twelve, tmp_path):
    whole = Path(shutil.make_archive(str(tmp_path / "all"), "zip", twelve))
    students = collect([whole], {"01_data": chapter()})
    assert sorted(s.name for s in students) == sorted(FORMS.values())
    assert all(set(s.notebooks) == {"01_data"} for s in students)


def test_everybody_on_the_roster_has_a_row_and_strangers_are_told(twelve, tmp_path):
    roster = tmp_path / "roster.csv"
    roster.write_text(
        "\ufeffFirst name,Last name,ID number,Email address\nAnn,Ames,1,\nBob,Beck,,\nCleo,Cid,,\nDan,Dorn,,\n"
        "Eve,Eck,2345,\nFay,Fox,,\nGert,Gil,77,\nHirt,Hal,,\nIda,Ingo,,\nJo,Jung,,\nLea,Lang,,\nZoe,Zorn,,\n"
    )
    found = {s.name: s for s in collect([twelve], {"01_data": chapter()}, roster)}
    assert len(found) == 13
    assert found["Zoe Zorn"].notes == ["nothing handed in"]
    assert found["Kim Kern"].notes == ["not on the roster"]
    assert set(found["Gert Gil"].notebooks) == set(found["Hirt Hal"].notebooks) == {"01_data"}


def test_of_several_copies_the_last_that_can_be_read_is_graded(tmp_path):
    put(tmp_path / "ann" / "01_data.ipynb", handed_in("first = 1"))
    put(tmp_path / "ann" / "01_data (1).ipynb", handed_in("second = 1"))
    (tmp_path / "ann" / "01_data (2).ipynb").write_text("{")
    (student,) = collect([tmp_path], {"01_data": chapter()})
    assert student.notes == ["01_data: 3 copies, graded 01_data (1).ipynb"]
    assert "second" in student.notebooks["01_data"].cells[3].source


def test_two_students_of_one_name_stay_two(tmp_path):
    for number in (1, 2):
        put(tmp_path / f"Ann Ames_{number}_assignsubmission_file_" / "01_data.ipynb")
    assert [s.name for s in collect([tmp_path], {"01_data": chapter()})] == ["Ann Ames (1)", "Ann Ames (2)"]


MALFORMED = {
    "empty": b"", "half": b'{"cells": [', "list": b"[]", "number": b"3", "binary": b"\x89PNG\xff\xfe",
    "no cells": b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}',
    "cells are words": b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": "x"}',
    "deep": b"[" * 100_000,
    "old": b'{"nbformat": 2, "nbformat_minor": 0, "metadata": {}, "worksheets": [{}]}',
    "tags are a number": json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
        {"cell_type": "code", "source": "x", "id": "a", "metadata": {"tags": 3}, "outputs": [],
         "execution_count": None}]}).encode(),
}  # fmt: skip


def test_malformed_notebooks_have_a_reason_each_and_cost_nobody_else(tmp_path):
    put(tmp_path / "ann" / "01_data.ipynb")
    for name, data in MALFORMED.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "01_data.ipynb").write_bytes(data)
    for name, data in {"bad zip": b"PK\3\4", "text": b"x"}.items():
        (tmp_path / f"{name}.zip").write_bytes(data)
    (tmp_path / "nothing").mkdir()
    (tmp_path / "word").mkdir()
    (tmp_path / "word" / "answer.docx").write_bytes(b"x")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "01_data.ipynb").symlink_to("/etc/passwd")
    students = {s.name: s for s in collect([tmp_path], {"01_data": chapter()})}
    assert set(students) == {"ann", *MALFORMED, "bad zip", "text", "nothing", "word", "link"}
    assert students.pop("ann").notes == []
    for name, student in students.items():
        assert student.notes and "Traceback" not in student.notes[0], name
    assert students["empty"].notes == ["01_data: the file is empty"]
    assert students["nothing"].notes == ["nothing: an empty folder"]
    assert students["link"].notes == ["01_data.ipynb: a link, not a file"]


def test_a_zip_that_grows_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "ann.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("01_data.ipynb", b" " * 60_000_000)
        archive.writestr("../../../02_data.ipynb", b" ")
    (student,) = collect([tmp_path], {"01_data": chapter()})
    assert student.notes == ["01_data.ipynb: too large"]


def test_a_folder_without_submissions_is_told(tmp_path):
    with pytest.raises(BookError, match=r"^found no STUDENT/NN_name.ipynb in .*, expected one folder a student"):
        collect([tmp_path], {"01_data": chapter()})
    assert main(["grade", str(tmp_path), "--chapters", str(tmp_path)]) == 1


@pytest.fixture
def judge(monkeypatch):
    """In place of the judge: passes what says "good", and counts what it was asked."""
    asked = []

    def say(chapter, exercise, code, limit_s=0):
        asked.append(code)
        return Mark("base" in (code or "") or "Vip" in (code or ""), "" if "base" in (code or "") else "=1+1")

    monkeypatch.setattr("bookpress.course.grade.mark", say)
    return asked


def test_points_are_those_declared_and_every_column_is_a_number(twelve, judge, tmp_path):
    students = collect([twelve], {"01_data": chapter()})
    *_, table = grade(students, {"01_data": chapter()}, tell=lambda text: None)
    print(table.drop(columns="notes").to_string())
    assert len(table) == 12
    assert (table["01_data 1"] == 3).all() and (table["01_data 2"] == 1).all()
    assert (table["points"] == 4).all() and (table["of"] == 4).all() and (table["percent"] == 100).all()
    assert len(judge) == 2, "the same answer is judged once"


def test_the_table_grows_student_by_student_and_all_are_in_it_from_the_first(twelve, judge):
    students = collect([twelve], {"01_data": chapter()})
    first, *_ = grade(students, {"01_data": chapter()}, tell=lambda text: None)
    assert len(first) == 12
    assert first["notes"].eq("not graded yet").sum() == 11


def test_a_second_call_grades_only_what_changed(twelve, judge, tmp_path):
    def run(again=False):
        judge.clear()
        marks = Marks(tmp_path / "marks.json")
        list(grade(collect([twelve], {"01_data": chapter()}), {"01_data": chapter()}, 5, marks, again, tell=len))
        return len(judge)

    assert run() == 2
    assert run() == 0
    put(twelve / "Ann Ames" / "01_data.ipynb", handed_in("changed = base"))
    assert run() == 1
    assert run(again=True) == 24
    (tmp_path / "marks.json").write_text("[")
    assert run() == 3, "a broken file of marks is graded anew"


def test_feedback_exports_and_numbers_for_names(twelve, judge, tmp_path):
    put(twelve / "Ann Ames" / "01_data.ipynb", handed_in("wrong"))
    out = tmp_path / "grades.csv"
    nbformat.write(chapter(), tmp_path / "01_data.ipynb")
    roster = tmp_path / "roster.csv"
    roster.write_text("student,ID,SIS Login ID,Identifier\nAnn Ames,5,ann,Participant 9\nZoe,6,zoe,\n")
    words = ["grade", str(twelve), "--chapters", str(tmp_path), "--out", str(out), "--roster", str(roster),
             "--anonymous", "--export", "moodle", "canvas"]  # fmt: skip
    assert main(words) == 0
    table, names = pd.read_csv(out), pd.read_csv(tmp_path / "grades-names.csv").set_index("student")["id"]
    assert table["student"].str.fullmatch(r"P\d{3}").all() and len(table) == len(names) == 13
    assert main(words) == 0
    assert pd.read_csv(tmp_path / "grades-names.csv").set_index("student")["id"].equals(names)
    told = (tmp_path / "grades-feedback" / f"{names['Ann Ames']}.md").read_text()
    assert "| 01_data 1 | 0 of 3 | =1+1 |" in told and "| 01_data 2 | 1 of 1 | =1+1 |" in told
    moodle = pd.read_csv(tmp_path / "grades-moodle.csv").set_index("Full name")
    assert moodle.loc["Ann Ames", ["Identifier", "Grade", "Maximum grade"]].tolist() == ["Participant 9", 1, 4]
    assert moodle.loc["Eve Eck", "Identifier"] == "Participant 2345"
    canvas = pd.read_csv(tmp_path / "grades-canvas.csv", skipinitialspace=True)
    assert canvas.loc[0, ["Student", "grades"]].tolist() == ["Points Possible", 4]
    assert canvas.set_index("Student").loc["Ann Ames", ["ID", "SIS Login ID", "grades"]].tolist() == [5, "ann", 1]


def test_the_lists_that_moodle_and_canvas_give_are_rosters_and_come_back_filled_in(twelve, judge, tmp_path):
    """Moodle takes no worksheet without these columns; Canvas's gradebook begins with lines that are no students."""
    nbformat.write(chapter(), tmp_path / "01_data.ipynb")
    moodle, canvas = tmp_path / "worksheet.csv", tmp_path / "gradebook.csv"
    moodle.write_text(
        "Identifier,Full name,Email address,Status,Grade,Maximum grade,Grade can be changed,"
        "Last modified (submission),Last modified (grade),Feedback comments\n"
        "Participant 2345,Eve Eck,eve@a.b,Submitted for grading,,100.00,Yes,\"Monday, 2 March\",-,\n"
    )
    canvas.write_text(
        "Student,ID,SIS User ID,SIS Login ID,Section,Essay (7)\n,,,,,Manual Posting\n    Points Possible,,,,,10\n"
        "\"Gil, Gert\",77,g77,gert,Seminar,9\n"
    )
    for roster in (moodle, canvas):
        words = [str(twelve), "--chapters", str(tmp_path), "--out", str(tmp_path / "g.csv"), "--roster", str(roster)]
        assert main(["grade", *words, "--export", "moodle", "canvas"]) == 0
        if roster == moodle:
            eve = pd.read_csv(tmp_path / "g-moodle.csv").set_index("Identifier").loc["Participant 2345"]
            assert eve[["Grade", "Maximum grade", "Last modified (grade)"]].tolist() == [4, 100, "-"]
            assert eve["Last modified (submission)"] == "Monday, 2 March"
        else:
            table = pd.read_csv(tmp_path / "g-canvas.csv", skipinitialspace=True).set_index("Student")
            assert table.index.tolist()[:2] == ["Points Possible", "Gil, Gert"] and table["g"].tolist()[:2] == [4, 4]
            assert table.loc["Gil, Gert", ["ID", "SIS User ID", "Section"]].tolist() == [77, "g77", "Seminar"]


def test_no_cell_of_a_table_is_a_formula(tmp_path):
    table = pd.DataFrame({"student": ["=cmd()", "@x", "ann"], "points": [1.0, -2.0, 3.0]})
    gradebook.write_csv(table, tmp_path / "a.csv")
    assert pd.read_csv(tmp_path / "a.csv")["student"].tolist() == ["'=cmd()", "'@x", "ann"]
    assert not re.search(r"(^|,)[=@]", (tmp_path / "a.csv").read_text(), re.MULTILINE)


@pytest.mark.slow
def test_a_batch_is_graded_whatever_is_in_it(tmp_path):
    classes = {
        "ann": handed_in(),
        "bob": handed_in("def twice(x):\n    return 2 * x if x else 1", "import os\nos._exit(1)"),
        "cleo": handed_in("def twice(x: return", "raise NotImplementedError('Exercise 2: replace')"),
        "dan": handed_in("while True: pass"),
        "gil": handed_in("def twice(x):\n    raise NotImplementedError('Exercise 1: replace')"),
        "hal": handed_in("def twice(y):\n    return y + y", "nam = 'Sst'"),
    }
    for student, submitted in classes.items():
        put(tmp_path / "in" / student / "01_data.ipynb", submitted)
    nbformat.write(chapter(), tmp_path / "01_data.ipynb")
    out = tmp_path / "grades.csv"
    assert main(["grade", str(tmp_path / "in"), "--chapters", str(tmp_path), "--out", str(out), "--limit", "3"]) == 0
    table = pd.read_csv(out).set_index("student")
    assert table["points"].to_dict() == {"ann": 4, "bob": 0, "cleo": 0, "dan": 1, "gil": 1, "hal": 3}
    notes = table["notes"]
    assert pd.isna(notes["ann"])
    assert notes["bob"] == "01_data 1: Twice, please. | 01_data 2: the answer ended the program"
    assert "01_data 1: SyntaxError" in notes["cleo"] and "01_data 2: not answered" in notes["cleo"]
    assert notes["dan"] == "01_data 1: used more than 3 s of processor time"
    assert notes["gil"] == "01_data 1: not answered"
    assert notes["hal"] == "01_data 2: the answer gives no `name`"


@pytest.mark.slow
def test_chapters_find_what_the_book_keeps(tmp_path, monkeypatch):
    (tmp_path / "science").mkdir()
    monkeypatch.delenv("HELPERS_BUILD", raising=False)
    monkeypatch.delenv("HELPERS_SCIENCE", raising=False)
    monkeypatch.chdir(tmp_path)
    check = (
        "from patchtype.settings import science_folder\n"
        "assert science_folder().is_dir(), 'science'\nassert name() == 1, 'name'"
    )
    made = notebook(
        ("markdown", "## Exercises\n\n### Exercise 1: Spoil", []),
        ("code", "# BEGIN SOLUTION\nname = lambda: 1\n# END SOLUTION", ["solution"]), ("code", check, ["check"]),
    )  # fmt: skip
    got = mark(made, exercises(made, "x")[0], "def name():\n    return 1")
    assert (got.passed, got.reason) == (True, "")


@pytest.mark.slow
def test_where_tables_are_missing_answers_are_judged_on_simulated_cells(tmp_path, monkeypatch, capsys):
    for variable in ("HELPERS_DATA", "HELPERS_COHORT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody answers there
    load = "from patchtype import cohorts\nmouse = cohorts.load('mouse', source=cohort)"
    made = notebook(
        ("code", 'cohort = "published"  # data source', ["parameters"]), ("code", load, []),
        ("markdown", "## Exercises\n\n### Exercise 1: Count", []),
        ("code", "# BEGIN SOLUTION\ncount = len\n# END SOLUTION", ["solution"]),
        ("code", "assert count(mouse.table) == len(mouse.table), 'Count.'", ["check"]),
    )  # fmt: skip
    nbformat.write(made, tmp_path / "01_data.ipynb")
    made.cells[3].source = "def count(table):\n    return len(mouse)"
    put(tmp_path / "in" / "ann" / "01_data.ipynb", made)
    words = ["grade", str(tmp_path / "in"), "--chapters", str(tmp_path), "--out", str(tmp_path / "grades.csv")]
    assert main(words) == 1
    assert "where the public tables are missing, --cohort simulated does without" in capsys.readouterr().err
    assert "cells failed: DataAbsent: " in pd.read_csv(tmp_path / "grades.csv")["notes"][0]
    assert main([*words, "--cohort", "simulated"]) == 0
    assert pd.read_csv(tmp_path / "grades.csv")["points"].tolist() == [1]
    assert main([*words, "--cohort", "simulatd"]) == 1
    assert "found the cohort 'simulatd', expected one of published, simulated" in capsys.readouterr().err


def test_chapters_are_graded_quickly():
    one, two = exercises(chapter(), "x")
    assert _job(chapter(), two, "name = 'Vip'")["context"] == ["base = 2\nquick = True"]


@pytest.mark.parametrize(("reason", "times"), [
    ("took longer than 40 s", 2), ("used more than 8 s of processor time", 1), ("Twice, please.", 1),
])
def test_what_a_busy_machine_failed_is_judged_again(monkeypatch, reason, times):
    asked = []
    monkeypatch.setattr("bookpress.course.grade.mark", lambda *a: asked.append(a) or Mark(False, reason))
    marks, (one, _) = Marks(None), exercises(chapter(), "x")
    for _ in range(2):
        assert marks.of(chapter(), one, GOOD, 8).reason == reason
    assert len(asked) == times
