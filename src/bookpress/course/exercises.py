"""Exercises as the chapters write them: a task, one answer between two marks, one cell of checks.

The chapter is the only source. What a student gets is made from it, and so is what grades the student.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bookpress.project import BookError

if TYPE_CHECKING:  # the judge starts often, and reads no notebook
    import nbformat

BEGIN, END = "# BEGIN SOLUTION", "# END SOLUTION"
PREDICT = "**My prediction**, and why: (write here before you compute)"
CONCLUDE = "**What I conclude**, and what else could explain it: (write here)"
HEADING = re.compile(r"^### Exercise (\d+): (.+?)\s*$", re.MULTILINE)
SECTION = re.compile(r"^##? ", re.MULTILINE)


@dataclass(frozen=True)
class Exercise:
    """One exercise of a chapter; ``task``, ``solution`` and ``check`` are positions of its cells.

    ``points``: what it is worth, as ``:points:`` of the check's cell says; one without it.
    """

    number: int
    title: str
    task: int
    solution: int
    check: int
    points: float = 1


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def exercises(notebook: nbformat.NotebookNode, name: str) -> list[Exercise]:
    """The exercises of a chapter, in order.

    Raises BookError where one has not exactly one solution and one check, in this order, or is out of number.
    """
    found: list[Exercise] = []
    ends = [*(i for i, cell in enumerate(notebook.cells) if _begins(cell)), len(notebook.cells)]
    for start, end in zip(ends, ends[1:], strict=False):
        heading = HEADING.search(notebook.cells[start].source)
        if not heading:
            continue
        number, title = int(heading[1]), heading[2]
        where = f"{name}, exercise {number}"
        if number != len(found) + 1:
            raise BookError(f"{where} comes as number {len(found) + 1}; number exercises from 1, one by one.")
        cells = {
            kind: [i for i in range(start, end) if kind in tags(notebook.cells[i])] for kind in ("solution", "check")
        }
        for kind, at in cells.items():
            if len(at) != 1:
                raise BookError(f"{where} has {len(at)} cells tagged `{kind}`; it must have one.")
        (solution,), (check,) = cells["solution"], cells["check"]
        if check < solution:
            raise BookError(f"{where}: the check stands before the solution; put it after.")
        stub(notebook.cells[solution].source, number, where)
        if not asserts(notebook.cells[check].source):
            raise BookError(f"{where}: the check asserts nothing; write `assert condition, \"what helps\"`.")
        points = notebook.cells[check].metadata.get("points", 1)
        if isinstance(points, bool) or not isinstance(points, int | float) or not 0 < points <= 100:
            raise BookError(f"{where} is worth {points!r} points; write a number such as `:points: 2` in its check.")
        found.append(Exercise(number, title, start, solution, check, points))
    loose = [i for i, cell in enumerate(notebook.cells) if {"solution", "check"} & set(tags(cell))]
    if len(loose) != 2 * len(found):
        raise BookError(f"{name}: a cell tagged `solution` or `check` stands outside an exercise; move or untag it.")
    return found


def _begins(cell: nbformat.NotebookNode) -> bool:
    """Whether a cell opens an exercise, or a section that ends the one before."""
    if cell.cell_type != "markdown":
        return False
    return bool(HEADING.search(cell.source) or SECTION.search(cell.source) or ":::{admonition}" in cell.source)


def parts(source: str, where: str) -> list[tuple[bool, list[str]]]:
    """Lines of a solution cell in blocks: whether they are an answer, and the lines, marks left out.

    Raises BookError when the marks do not come in pairs, or hold nothing.
    """
    blocks: list[tuple[bool, list[str]]] = [(False, [])]
    for line in source.split("\n"):
        mark = line.strip()
        inside = blocks[-1][0]
        if mark in (BEGIN, END):
            if inside != (mark == END):
                raise BookError(f"{where}: `{mark}` without its partner; each {BEGIN} needs its {END}.")
            if inside and not any(text.strip() for text in blocks[-1][1]):
                raise BookError(f"{where}: nothing stands between {BEGIN} and {END}.")
            blocks.append((not inside, []))
        else:
            blocks[-1][1].append(line)
    if blocks[-1][0]:
        raise BookError(f"{where}: `{BEGIN}` without its partner; each {BEGIN} needs its {END}.")
    if len(blocks) == 1:
        raise BookError(f"{where} has no answer between {BEGIN} and {END}; mark it.")
    return blocks


def stub(source: str, number: int, where: str = "") -> str:
    """The solution cell as a student gets it: each answer replaced by an error that names the exercise.

    >>> stub("def one():\\n    # BEGIN SOLUTION\\n    return 1\\n    # END SOLUTION", 3)
    "def one():\\n    raise NotImplementedError('Exercise 3: replace this line by your answer')"
    """
    lines: list[str] = []
    for answer, block in parts(source, where or f"exercise {number}"):
        lines += [_raise(block, number)] if answer else block
    return "\n".join(lines)


def without_answers(notebook: nbformat.NotebookNode, name: str) -> None:
    """Make a chapter what a student opens: stubs for answers, and a place for a prediction and a conclusion each.

    Cells that fail until the student has answered do not stop a run of the whole notebook.
    """
    from nbformat.v4 import new_markdown_cell

    for exercise in reversed(exercises(notebook, name)):
        cells = notebook.cells
        solution, check = cells[exercise.solution], cells[exercise.check]
        solution.source = stub(solution.source, exercise.number, f"{name}, exercise {exercise.number}")
        for cell in (solution, check):
            cell.metadata["tags"] = [*(tag for tag in tags(cell) if tag != "hide-input"), "raises-exception"]
        for at, kind, words in ((exercise.check + 1, "concluded", CONCLUDE), (exercise.task + 1, "predicted", PREDICT)):
            cells.insert(at, new_markdown_cell(words, id=f"{name[:40]}-{kind}-{exercise.number}"))


def _raise(block: list[str], number: int) -> str:
    first = next(line for line in block if line.strip())
    indent = first[: len(first) - len(first.lstrip())]
    return f"{indent}raise NotImplementedError('Exercise {number}: replace this line by your answer')"


def asserts(check: str) -> list[str]:
    """The asserts of a check cell, as source. BookError when one has no message."""
    found = [node for node in ast.walk(ast.parse(check)) if isinstance(node, ast.Assert)]
    for node in found:
        if node.msg is None:
            raise BookError(f"line {node.lineno} of a check asserts without a message; say what helps.")
    return [ast.unparse(node) for node in found]


def context(notebook: nbformat.NotebookNode, exercise: Exercise, answer: str) -> list[str]:
    """Source of the chapter's code cells that an exercise builds on, in order; other exercises left out.

    A cell is taken when it binds a name that the answer, the check, or another taken cell reads. So an
    exercise can be run without the chapter's long computations, if it does not use them.
    """
    cells = [
        cell.source for cell in notebook.cells[: exercise.solution]
        if cell.cell_type == "code" and not {"solution", "check", "setup"} & set(tags(cell))
    ]  # fmt: skip
    answered, wanted = _names(answer)
    wanted = wanted | (_names(notebook.cells[exercise.check].source)[1] - answered)
    taken: list[str] = []
    for source in reversed(cells):
        bound, needed = _names(source)
        if (bound | _filled(source)) & wanted:
            taken.append(source)
            wanted = (wanted - bound) | needed
    return taken[::-1]


def binds(source: str) -> set[str]:
    """Names that a cell gives."""
    return _names(source)[0]


def reads(source: str) -> set[str]:
    """Names that a cell needs from before."""
    return _names(source)[1]


def _names(source: str) -> tuple[set[str], set[str]]:
    """Names that a cell binds at its top level, and names it needs from before; none of code that is no Python."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return set(), set()
    bound: set[str] = set()
    needed: set[str] = set()
    for statement in tree.body:
        read = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        changed = {
            n.target.id for n in ast.walk(statement) if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)
        }
        needed |= (read - _inner(statement) | changed) - bound
        bound |= _bound(statement)
    return bound, needed


def _filled(source: str) -> set[str]:
    """Containers that a cell puts something into by key: ``table["a"] = ...``."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return set()
    items = [n for n in ast.walk(tree) if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store)]
    return {n.id for item in items for n in ast.walk(item.value) if isinstance(n, ast.Name)}


def _inner(statement: ast.stmt) -> set[str]:
    """Names that a statement gives itself: arguments, targets of loops, and what is set inside of it."""
    own: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.arguments):
            every = [*node.posonlyargs, *node.args, *node.kwonlyargs, node.vararg, node.kwarg]
            own |= {a.arg for a in every if a}
        elif isinstance(node, ast.comprehension):
            own |= _stored(node.target)
    if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.For | ast.With | ast.If | ast.Try):
        own |= _stored(statement)
    return own


def _stored(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _bound(statement: ast.stmt) -> set[str]:
    """Names that a statement leaves behind, those of changed containers included."""
    bound: set[str] = set()
    for node in _outside_functions(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return bound


def _outside_functions(node: ast.AST):
    """A statement and what it holds, but not the inside of functions, classes and comprehensions."""
    yield node
    inner = ast.FunctionDef | ast.ClassDef | ast.Lambda | ast.GeneratorExp | ast.ListComp | ast.SetComp | ast.DictComp
    if not isinstance(node, inner):
        for child in ast.iter_child_nodes(node):
            yield from _outside_functions(child)
