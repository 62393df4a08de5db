"""Every solution passes its check, every stub fails it; so do lists of other right answers and of plausible wrong ones.

One draw of the checks' inputs, always the same; ``python -m tests.course.attempts`` tries others.
"""

from __future__ import annotations

import pytest

from bookpress.course.exercises import exercises
from bookpress.notebook import read, sources
from bookpress.project import Project

from .attempts import ANSWERS, answers, chapter, draw, judged, simulated


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.stem for path in ANSWERS.glob("*.txt")))
def test_right_answers_pass_and_wrong_ones_are_told_their_mistake(root, name, tmp_path):
    with simulated(tmp_path), draw(0):
        counts, found = judged(name, *chapter(root, name), 0)
    print(name, counts)
    assert not found, "\n".join(found)


def test_every_exercise_has_a_list_of_answers(root):
    """Five wrong ones at least, a constant among them, and one right one in another form."""
    for path in sources(Project(root)):
        listed = answers(path.stem)
        for exercise in exercises(read(path), path.stem):
            mine = [(kind, form) for number, kind, form, _, _ in listed if number == exercise.number]
            assert sum(kind == "wrong" for kind, _ in mine) >= 5, f"{path.stem} {exercise.number}"
            assert sum(kind == "right" for kind, _ in mine) >= 1, f"{path.stem} {exercise.number}"
