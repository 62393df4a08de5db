"""Exercises: the chapters' own are whole; stub and solution cannot drift; what an exercise builds on is found."""

from __future__ import annotations

import ast
import re

import nbformat
import pytest

from bookpress.course.bundle import student_copy
from bookpress.course.exercises import Exercise, _names, context, exercises, parts, stub
from bookpress.notebook import read, sources
from bookpress.project import BookError, Project
from bookpress.stage import _dress

SOLUTION = "def one():\n    # BEGIN SOLUTION\n    x = 1\n    return x\n    # END SOLUTION\n\none()"


def notebook(*cells: tuple[str, str, list[str]]) -> nbformat.NotebookNode:
    """Cells as (kind, source, tags)."""
    made = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    return nbformat.v4.new_notebook(cells=[made[kind](text, metadata={"tags": tags}) for kind, text, tags in cells])


def one(solution: str = SOLUTION, check: str = "assert one() == 1, 'one is 1'") -> list[tuple[str, str, list[str]]]:
    return [
        ("markdown", "### Exercise 1: One\n\nSay one.", []),
        ("code", solution, ["solution"]),
        ("code", check, ["check"]),
    ]


@pytest.fixture(scope="module")
def chapters(root):
    return sources(Project(root))


def test_every_chapter_has_three_exercises_or_more(chapters):
    assert {path.stem: len(exercises(read(path), path.stem)) for path in chapters if
            len(exercises(read(path), path.stem)) < 3} == {}


def test_a_students_copy_is_the_source_with_one_line_in_place_of_each_answer(chapters):
    for path in chapters:
        source, student = read(path), student_copy(path)
        student.cells = [cell for cell in student.cells if not re.search("setup|predicted|concluded", cell.id)]
        assert len(student.cells) == len(source.cells)
        for exercise in exercises(source, path.stem):
            solution, stubbed = source.cells[exercise.solution], student.cells[exercise.solution]
            assert "SOLUTION" not in stubbed.source
            line = f"raise NotImplementedError('Exercise {exercise.number}: replace this line by your answer')"
            expected = [["…"] if answer else block for answer, block in parts(solution.source, path.stem)]
            found = ["…" if text.strip() == line else text for text in stubbed.source.split("\n")]
            assert found == [text for block in expected for text in block]
            stubbed.source = solution.source
        assert [cell.source for cell in student.cells] == [cell.source for cell in source.cells]


def test_no_line_of_an_answer_is_left_in_a_students_copy(chapters):
    for path in chapters:
        source, student = read(path), student_copy(path)
        student.cells = [cell for cell in student.cells if not re.search("setup|predicted|concluded", cell.id)]
        for exercise in exercises(source, path.stem):
            answers = [b for answer, b in parts(source.cells[exercise.solution].source, "") if answer]
            left = student.cells[exercise.solution].source.split("\n")
            assert not {line for block in answers for line in block if line.strip()} & set(left)


@pytest.mark.parametrize("shown", [True, False])
def test_pages_have_the_answers_or_none_of_them(chapters, tmp_path, shown):
    for source in chapters:
        executed = read(source)
        for cell in executed.cells:
            cell.metadata.pop("mystnb", None)  # what alt texts ask for was not computed
            if "solution" in cell.metadata.get("tags", []):
                cell.outputs = [nbformat.v4.new_output("stream", text="what the answer prints")]
        nbformat.write(executed, tmp_path / "page.ipynb")
        _dress(tmp_path / "page.ipynb", source, None, answers=shown)
        page = nbformat.read(tmp_path / "page.ipynb", as_version=4)
        assert not re.search("(BEGIN|END) SOLUTION", nbformat.writes(page))
        every = [cell.source for cell in page.cells if cell.cell_type == "code"]
        for exercise in exercises(read(source), source.stem):
            solution = read(source).cells[exercise.solution].source
            whole = "\n".join(line for _, block in parts(solution, "") for line in block)
            assert (whole in every, stub(solution, exercise.number) in every) == (shown, not shown)
        assert ("what the answer prints" in nbformat.writes(page)) == shown


def test_a_stub_keeps_what_is_given_and_the_indentation():
    assert stub(SOLUTION, 4) == (
        "def one():\n    raise NotImplementedError('Exercise 4: replace this line by your answer')\n\none()"
    )
    with pytest.raises(NotImplementedError, match="^Exercise 4: replace this line by your answer$"):
        exec(stub(SOLUTION, 4), {})


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (one("1 + 1"), "exercise 1 has no answer between"),
        (one("# BEGIN SOLUTION\n1"), "without its partner"),
        (one("1\n# END SOLUTION"), "without its partner"),
        (one("# BEGIN SOLUTION\n# BEGIN SOLUTION\n1"), "without its partner"),
        (one("# BEGIN SOLUTION\n\n# END SOLUTION"), "nothing stands between"),
        (one(check="1 + 1"), "the check asserts nothing"),
        (one(check="assert one()"), "asserts without a message"),
        (one()[:2], "has 0 cells tagged `check`"),
        ([*one(), ("code", "assert 1, ''", ["check"])], "has 2 cells tagged `check`"),
        ([one()[0], one()[2], one()[1]], "the check stands before the solution"),
        ([*one(), *one()], "exercise 1 comes as number 2"),
        ([*one(), ("markdown", "## Next", []), ("code", "1", ["solution"])], "stands outside an exercise"),
    ],
)
def test_an_exercise_of_another_shape_is_told(cells, message):
    with pytest.raises(BookError, match=message):
        exercises(notebook(*cells), "01_data")


def test_an_exercise_is_found_with_its_cells():
    cells = [("code", "a = 1", []), *one(), ("markdown", ":::{admonition} Take away\n:::", [])]
    assert exercises(notebook(*cells), "x") == [Exercise(1, "One", 1, 2, 3)]


def test_only_the_cells_that_an_exercise_builds_on_are_taken():
    cells = [
        ("code", "import math\nbase = 2", []),
        ("code", "for i in range(3):\n    slow = i", []),
        ("code", "squares = {}\n", []),
        ("code", "squares['a'] = base ** 2", []),
        ("code", "unused = [base for base in range(9)]", []),
        *one("def one():\n    # BEGIN SOLUTION\n    return squares['a'] - 3\n    # END SOLUTION"),
    ]
    made = notebook(*cells)
    (exercise,) = exercises(made, "x")
    taken = context(made, exercise, made.cells[exercise.solution].source)
    assert taken == ["import math\nbase = 2", "squares = {}\n", "squares['a'] = base ** 2"]


def test_names_of_loops_and_functions_need_nothing_from_before():
    cells = [
        ("code", "name = 'long'", []),
        ("code", "table = [name for name in 'ab']\ndef f(name):\n    return name", []),
        *one(check="assert f(table), 'f'\nassert one() == 1, 'one'"),
    ]
    made = notebook(*cells)
    (exercise,) = exercises(made, "x")
    assert context(made, exercise, SOLUTION) == [cells[1][1]]


def test_an_exercise_names_all_that_its_check_reads(root):
    """A name that only the answer gives, and that the check reads, stands in the task or in the student's stub."""
    for source in sources(Project(root)):
        chapter = read(source)
        for exercise in exercises(chapter, source.stem):
            at = (exercise.task, exercise.solution, exercise.check)
            task, solution, check = (chapter.cells[i].source for i in at)
            given = _names(solution)[0] & _names(check)[1]
            shown = f"{stub(solution, exercise.number)}\n{task}"
            missing = sorted(name for name in given if not re.search(rf"\b{name}\b", shown))
            assert not missing, f"{source.stem}, exercise {exercise.number}: tell the student to call it {missing}"


def test_what_a_check_says_is_a_sentence(root):
    for source in sources(Project(root)):
        chapter = read(source)
        for exercise in exercises(chapter, source.stem):
            for node in ast.walk(ast.parse(chapter.cells[exercise.check].source)):
                if isinstance(node, ast.Assert):
                    said = ast.unparse(node.msg).lstrip("f").strip("'\"")
                    assert said[0].isupper() and said[-1] in ".?", f"{source.stem}, exercise {exercise.number}: {said}"
