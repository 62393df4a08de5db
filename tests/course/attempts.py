"""All answers that are listed for the exercises, right ones and wrong ones, against the chapters' checks.

The lists stand in ``answers/NN_name.txt``: cells that begin ``# %% EXERCISE right: form`` or ``wrong: mistake``, the
latter with what its message must hold after a ``|``. All runs on made cells: no answer leans on published numbers.

Of each function that an answer gives, three kinds of mistakes are made from the chapter's own: it returns the same
whatever it is asked, it returns in order what another draw wanted, as if that had been typed in, and it leaves one
argument as it was at the first call.

``python -m tests.course.attempts --draws 10``: checks draw their inputs anew, so one that is weak may tell a mistake
in one draw and not in the next.
"""

from __future__ import annotations

import argparse
import ast
import copy
import inspect
import json
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from itertools import count, product
from os import devnull
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bookpress.course.exercises import BEGIN, END, Exercise, binds, context, exercises, reads, stub
from bookpress.course.judge import _imports
from bookpress.course.wire import decode, encode
from bookpress.notebook import read, sources, with_parameters
from bookpress.project import Project
from patchtype import cohorts, families, taxonomy

ROOT = Path(__file__).parents[2]
ANSWERS = Path(__file__).parent / "answers"
#: Arguments that no check asks for: how exactly, and by which luck.
SETTINGS = ("seed", "n_runs", "n_draws")
#: How far the other draw is.
OTHER = 1000
HEAD = re.compile(r"^# %% (\d+) (right|wrong): ([^|\n]+?)(?: \| (.+))?$", re.MULTILINE)


@contextmanager
def simulated(folder: Path) -> Iterator[None]:
    """Chapters load made cells, and leave what they write in ``folder``."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("HELPERS_BUILD", str(folder))
        patch.setenv("MPLBACKEND", "agg")
        patch.setattr(cohorts, "load", made)
        yield


@contextmanager
def draw(number: int) -> Iterator[None]:
    """Checks draw their inputs anew; in here they draw the same in every run."""
    drawn, numbers = np.random.default_rng, count()

    def same(seed=None):
        return drawn([number, next(numbers)] if seed is None else seed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np.random, "default_rng", same)
        yield


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


def in_place(solution: str, code: str) -> tuple[str, str, str]:
    """An answer in place of the chapter's own: what its cell gives before it, the answer, and what comes after."""
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
    return "\n".join(before), code.strip("\n"), "\n".join(after)


def attempt(solution: str, code: str, check: str, space: dict) -> str:
    """What a check says of an answer that stands in place of the chapter's own, empty when it passes."""
    try:
        for source in (*in_place(solution, code), check):
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
    if name == "10_own_cell":
        shares = {key: rng.uniform(0.7, 1, 4) for key in product(("mouse", "human"), ("all together", "each subclass"))}
        names = list(taxonomy.HUMAN_SUBCLASSES)
        space["covered"] = {key: pd.DataFrame({"coverage": values}, names) for key, values in shares.items()}
        space["conformal"] = conformal
    if name == "07_fair_transfer":
        models = ["aligned | average", "stacked_aligned | average", "full | average", "stacked_full | average"]
        levels = {"model": models, "size": [0, 50], "repeat": range(2), "fold": range(5)}
        index = pd.MultiIndex.from_product(levels.values(), names=levels)
        scores = pd.Series(rng.uniform(0.5, 0.8, len(index)), index)
        best = gains.best_alone(scores)
        for key, table in {"twin": gains.gains(scores), "best": gains.gains(scores, reference=best)}.items():
            space[f"against_{key}"] = table.assign(p_holm=gains.holm(table["p"]))
        space |= {"gains": gains, "scores": scores, "best": best}
        space |= {"mouse": made("mouse"), "human": made("human", "human")}
    if name == "09_external_validation":
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
                text = with_parameters(text, quick=True, cohort="simulated")
                # One simulated recording is enough for the exercises, and five times as quick.
                exec(text.replace("in taxonomy.MOUSE_SUBCLASSES", 'in ("Pvalb",)'), done[taken])
        return dict(done[taken])

    return notebook, prepared


def recorded(solution: str, check: str, space: dict) -> dict[str, list[tuple[dict, object]]]:
    """What the check asks of each function of the chapter's own answer: arguments and what came back, call by call."""
    calls: dict[str, list[tuple[dict, object]]] = {}

    def heard(name, function):
        def hear(*words, **named):
            given = inspect.signature(function).bind(*words, **named)
            given.apply_defaults()
            before = copy.deepcopy(dict(given.arguments))
            after = function(*words, **named)
            calls[name].append((before, copy.deepcopy(after)))
            return after

        calls[name] = []
        return hear

    exec(solution, space)
    for name in sorted(reads(check) & binds(solution)):
        if callable(space[name]):
            space[name] = heard(name, space[name])
    exec(check, space)
    return calls


def mistakes(calls: list[tuple[dict, object]], others: list[tuple[dict, object]]) -> Iterator[tuple[str, Callable]]:
    """Name of a mistake, and what makes a function that has it from a right one; ``others``: of another draw."""

    def constant(function):
        return lambda *words, **named: copy.deepcopy(calls[0][1])

    def typed_in(function):
        left = [value for _, value in others]
        return lambda *words, **named: copy.deepcopy(left.pop(0))

    if not calls:
        yield "is never asked", lambda function: function
        return
    yield "always the same", constant
    yield "another draw's answers", typed_in
    for name in calls[0][0]:
        if len(calls) > 1 and name not in SETTINGS:

            def frozen(function, name=name):
                def call(*words, **named):
                    given = inspect.signature(function).bind(*words, **named)
                    given.apply_defaults()
                    given.arguments[name] = copy.deepcopy(calls[0][0][name])
                    return function(*given.args, **given.kwargs)

                return call

            yield f"ignores {name}", frozen


def made_wrong(exercise: Exercise, solution: str, check: str, prepared: Callable[..., dict], number: int) -> Iterator:
    """Each mistake that can be made from the chapter's own answer, and what the check says of it."""
    with draw(number):
        calls = recorded(solution, check, prepared(exercise))
    with draw(number + OTHER):
        others = recorded(solution, check, prepared(exercise))
    for name, asked in calls.items():
        for form, spoil in mistakes(asked, others[name]):
            space = prepared(exercise)
            exec(solution, space)
            space[name] = spoil(space[name])
            with draw(number):
                try:
                    exec(check, space)
                    yield f"{name} {form}", ""
                except Exception as error:
                    yield f"{name} {form}", f"{type(error).__name__}: {error}"


def judged(
    name: str, notebook, prepared: Callable[..., dict], number: int, spoil: bool = False
) -> tuple[dict[str, int], list[str]]:
    """How many answers of a chapter were tried in one draw, and what its checks say that they should not.

    ``spoil``: also those that are made from the chapter's own.
    """
    found, counts = [], {"right": 0, "wrong": 0, "spoilt": 0}
    for exercise in exercises(notebook, name):
        solution, check = (notebook.cells[at].source for at in (exercise.solution, exercise.check))
        where = f"{name} {exercise.number}"
        found += [f"{where}, {what}" for what in _own(exercise, solution, check, prepared)]
        for form, said in made_wrong(exercise, solution, check, prepared, number) if spoil else ():
            counts["spoilt"] += 1
            found += [] if said else [f"{where}, {form}: passed"]
        for at, kind, form, says, code in answers(name):
            if at == exercise.number:
                said = attempt(solution, code, check, prepared(exercise, code))
                counts[kind] += 1
                if kind == "right" and said:
                    found.append(f"{where}, right, {form}: {said}")
                if kind == "wrong" and not (said.startswith("AssertionError: ") or says) or says not in said:
                    found.append(f"{where}, wrong, {form}: {said or 'passed'}")
    return counts, found


def _own(exercise: Exercise, solution: str, check: str, prepared: Callable[..., dict]) -> Iterator[str]:
    """What is wrong with the chapter's own answer, which must pass, and with its stub, which must not."""
    try:
        space = prepared(exercise)
        exec(solution, space)
        exec(check, space)
        over_the_line(solution, check, space, prepared(exercise))
    except Exception as error:
        yield f"the chapter's own answer: {type(error).__name__}: {error}"
    try:
        space = prepared(exercise)
        exec(stub(solution, exercise.number), space)
        exec(check, space)  # a stub inside a function is met only when the check calls it
        yield "the stub: passed"
    except NotImplementedError as error:
        if not str(error).startswith(f"Exercise {exercise.number}: "):
            yield f"the stub: {error}"


def counted(counts: dict[str, int]) -> str:
    return f"{counts['right']} other right answers, {counts['wrong']} wrong and {counts['spoilt']} spoilt ones"


def main(argv: list[str] | None = None) -> int:
    names = sorted(path.stem for path in ANSWERS.glob("*.txt"))
    parser = argparse.ArgumentParser(prog="python -m tests.course.attempts", description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", default=names, help="such as 01_data (default: all)")
    parser.add_argument("--draws", type=int, default=10, help="how often each check draws its inputs anew (default 10)")
    parser.add_argument("--first", type=int, default=1, help="number of the first draw; 0 is that of `make test`")
    args = parser.parse_args(argv)
    if unknown := [name for name in args.chapters if name not in names]:
        parser.error(f"found the chapter {unknown[0]!r}, expected one of {', '.join(names)}")
    total, missed = dict.fromkeys(("right", "wrong", "spoilt"), 0), 0
    for name in args.chapters:
        begun, every = time.monotonic(), []
        with tempfile.TemporaryDirectory() as folder, simulated(Path(folder)):
            notebook, prepared = chapter(ROOT, name)
            for number in range(args.first, args.first + args.draws):
                with draw(number), open(devnull, "w") as quiet, redirect_stdout(quiet):
                    counts, found = judged(name, notebook, prepared, number, spoil=True)
                every += [f"draw {number}: {what}" for what in found]
        total = {kind: total[kind] + n for kind, n in counts.items()}
        missed += len(every)
        print(f"{name}: {counted(counts)}, {args.draws} draws each, {len(every)} misjudged, "
              f"{time.monotonic() - begun:.0f} s", *every, sep="\n  ", flush=True)  # fmt: skip
    print(f"all: {counted(total)}, {args.draws} draws each, {missed} misjudged")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
