"""Every solution passes its check, every stub fails it; so do lists of other right answers and of plausible wrong ones.

The lists stand in ``answers/NN_name.txt``: cells that begin ``# %% EXERCISE right: form`` or ``wrong: mistake``, the
latter with what its message must hold after a ``|``. All runs on made cells: no answer leans on published numbers.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from itertools import count, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bookpress.course.exercises import BEGIN, END, binds, context, exercises, reads, stub
from bookpress.course.grade import _quick
from bookpress.course.judge import _imports
from bookpress.course.wire import decode, encode
from bookpress.notebook import read, sources
from bookpress.project import Project
from patchtype import cohorts, families, taxonomy

ANSWERS = Path(__file__).parent / "answers"
HEAD = re.compile(r"^# %% (\d+) (right|wrong): ([^|\n]+?)(?: \| (.+))?$", re.MULTILINE)


@pytest.fixture(autouse=True)
def same_draws(monkeypatch):
    """Checks draw their inputs anew; here they draw the same in every run, so that its verdict is the same, too."""
    drawn, numbers = np.random.default_rng, count()
    monkeypatch.setattr(np.random, "default_rng", lambda seed=None: drawn(next(numbers) if seed is None else seed))


def made(species: str, features: str = "aligned", source: str = "published") -> cohorts.Cohort:
    """150 cells of noise around a mean per subclass, some values missing, four cells a donor."""
    classes = {"mouse": taxonomy.MOUSE_SUBCLASSES, "human": taxonomy.HUMAN_SUBCLASSES}[species]
    rng = np.random.default_rng(len(species))
    code = np.sort(rng.integers(0, len(classes), 150))
    members = families.families(features)
    names = [name for family in members.values() for name in family]
    values = rng.normal(size=(150, len(names))) + code[:, None] * rng.normal(size=len(names))
    values[rng.random(values.shape) < 0.02] = np.nan
    index = [f"{species}-{i}" for i in range(150)]
    donors = rng.permutation(np.arange(150) // 4).astype(str)
    cells = pd.DataFrame(
        {"species": species, "subclass": np.array(classes)[code], "donor": donors, "source": "simulated"}, index=index
    )
    excluded = pd.DataFrame({"reason": ["no label", "no label", "no long squares"]})
    return cohorts.Cohort.build(cells, pd.DataFrame(values, index, names), members, classes, excluded)


def answers(name: str) -> list[tuple[int, str, str, str, str]]:
    """Exercise, kind, form, what its message must hold, and code, of each answer listed for a chapter."""
    pieces = HEAD.split((ANSWERS / f"{name}.txt").read_text("utf-8"))[1:]
    rows = zip(*[iter(pieces)] * 5, strict=True)
    return [(int(number), kind, form, says or "", code) for number, kind, form, says, code in rows]


def attempt(solution: str, code: str, check: str, space: dict) -> str:
    """What a check says of an answer that stands in place of the chapter's own, empty when it passes."""
    lines, inside, first = solution.split("\n"), set(), None
    for number, line in enumerate(lines, 1):
        if line.strip() == BEGIN:
            first = number
        if first:
            inside.add(number)
        if line.strip() == END:
            first = None
    before, after = [], []
    for node in ast.parse(solution).body:
        if not isinstance(node, ast.FunctionDef) and not inside & set(range(node.lineno, node.end_lineno + 1)):
            (before if node.lineno < min(inside) else after).append(ast.unparse(node))
    try:
        for source in ["\n".join(before), code, "\n".join(after), check]:
            exec(source, space)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def over_the_line(solution: str, check: str, student: dict, judge: dict) -> None:
    """Run a check as the judge does: it sees of the student's names only what comes over the line."""

    def through(value, trusting=False):
        return decode(json.loads(json.dumps(encode(value))), trusting)

    def remote(function):
        return lambda *words, **named: through(function(*through(words, True), **through(named, True)))

    for source in _imports(solution):
        exec(source, judge)
    for name in reads(check) & binds(solution):
        judge[name] = remote(student[name]) if callable(student[name]) else through(student[name])
    exec(check, judge)


def ground(name: str) -> dict:
    """What chapters 7 to 10 have at hand where their exercises begin, made small: nothing is read from a file."""
    from patchtype.evaluation import conformal
    from patchtype.experiments import gains
    from patchtype.experiments.few_shot import recalls

    space = {"np": np, "pd": pd, "cohorts": cohorts, "cohort": "simulated"}
    rng = np.random.default_rng(1)
    if name == "07_own_cell":
        shares = {key: rng.uniform(0.7, 1, 4) for key in product(("mouse", "human"), ("all together", "each subclass"))}
        names = list(taxonomy.HUMAN_SUBCLASSES)
        space["covered"] = {key: pd.DataFrame({"coverage": values}, names) for key, values in shares.items()}
        space["conformal"] = conformal
    if name == "08_fair_transfer":
        models = ["aligned | average", "stacked_aligned | average", "full | average", "stacked_full | average"]
        levels = {"model": models, "size": [0, 50], "repeat": range(2), "fold": range(5)}
        index = pd.MultiIndex.from_product(levels.values(), names=levels)
        scores = pd.Series(rng.uniform(0.5, 0.8, len(index)), index)
        best = gains.best_alone(scores)
        for key, table in {"twin": gains.gains(scores), "best": gains.gains(scores, reference=best)}.items():
            space[f"against_{key}"] = table.assign(p_holm=gains.holm(table["p"]))
        space |= {"gains": gains, "scores": scores, "best": best}
        space |= {"mouse": made("mouse"), "human": made("human", "human")}
    if name == "10_external_validation":
        space["recalls"] = recalls
    return space


def chapter(root: Path, name: str):
    """Its notebook, and a function that prepares an exercise."""
    notebook = read(next(path for path in sources(Project(root)) if path.stem == name))
    done: dict[tuple[str, ...], dict] = {}

    def prepared(exercise, more: str = "") -> dict:
        solution = notebook.cells[exercise.solution].source
        taken = tuple(context(notebook, exercise, f"{solution}\n{more}"))
        if name >= "07":
            return ground(name)
        if taken not in done:
            done[taken] = {"__name__": "__main__"}
            for text in taken:
                text = _quick(text).replace('cohort = "published"', 'cohort = "simulated"')
                # One simulated recording is enough for the exercises, and five times as quick.
                exec(text.replace("in taxonomy.MOUSE_SUBCLASSES", 'in ("Pvalb",)'), done[taken])
        return dict(done[taken])

    return notebook, prepared


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.stem for path in ANSWERS.glob("*.txt")))
def test_right_answers_pass_and_wrong_ones_are_told_their_mistake(root, name, tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_BUILD", str(tmp_path))
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr(cohorts, "load", made)
    warnings.simplefilter("ignore")
    notebook, prepared = chapter(root, name)
    found, counts = [], {"right": 0, "wrong": 0}
    for exercise in exercises(notebook, name):
        solution, check = (notebook.cells[at].source for at in (exercise.solution, exercise.check))
        where = f"{name} {exercise.number}"
        space = prepared(exercise)
        exec(solution, space)
        exec(check, space)
        over_the_line(solution, check, space, prepared(exercise))
        with pytest.raises(NotImplementedError, match=f"^Exercise {exercise.number}: "):
            space = prepared(exercise)
            exec(stub(solution, exercise.number), space)
            exec(check, space)  # a stub inside a function is met only when the check calls it
        for number, kind, form, says, code in answers(name):
            if number == exercise.number:
                said = attempt(solution, code, check, prepared(exercise, code))
                counts[kind] += 1
                if kind == "right" and said:
                    found.append(f"{where}, right, {form}: {said}")
                if kind == "wrong" and not (said.startswith("AssertionError: ") or says) or says not in said:
                    found.append(f"{where}, wrong, {form}: {said or 'passed'}")
    print(f"{name}: {counts['right']} other right answers, {counts['wrong']} wrong ones")
    assert not found, "\n".join(found)


def test_every_exercise_has_a_list_of_answers(root):
    """Five wrong ones at least, a constant among them, and one right one in another form."""
    for path in sources(Project(root)):
        listed = answers(path.stem)
        for exercise in exercises(read(path), path.stem):
            mine = [(kind, form) for number, kind, form, _, _ in listed if number == exercise.number]
            assert sum(kind == "wrong" for kind, _ in mine) >= 5, f"{path.stem} {exercise.number}"
            assert sum(kind == "right" for kind, _ in mine) >= 1, f"{path.stem} {exercise.number}"
