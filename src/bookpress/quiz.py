"""Quizzes: written in TOML, one file a chapter, shown as a form in the book and as text in a notebook."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import nbformat

from bookpress.project import BookError
from bookpress.template import fill

LETTERS = "ABCDEFGH"


@dataclass(frozen=True)
class Choice:
    """One choice: its text, whether it is right, and what to say to a reader who took it."""

    text: str
    right: bool
    feedback: str


@dataclass(frozen=True)
class Question:
    """One question with one right choice."""

    text: str
    choices: tuple[Choice, ...]

    @property
    def answer(self) -> int:
        """Position of the right choice."""
        return next(i for i, choice in enumerate(self.choices) if choice.right)


def load(path: Path) -> list[Question]:
    """Questions of one file: ``[[question]]`` with ``text`` and ``choice = [{text, feedback, right}]``.

    Raises BookError that says which question is wrong, and how.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BookError(f"{path} is not a readable TOML file: {error}") from error
    rows = content.get("question")
    if not isinstance(rows, list) or not rows:
        raise BookError(f"{path} has no question; write each as [[question]].")
    return [_question(row, f"{path.name}, question {number}") for number, row in enumerate(rows, 1)]


def _question(row: dict, where: str) -> Question:
    text, choices = _text(row, "text", where), row.get("choice")
    if not isinstance(choices, list) or not 2 <= len(choices) <= len(LETTERS):
        found = len(choices) if isinstance(choices, list) else 0
        raise BookError(f"{where} has {found} choices; it needs two to {len(LETTERS)}.")
    made = tuple(_choice(row, f"{where}, choice {number}") for number, row in enumerate(choices, 1))
    right = sum(choice.right is True for choice in made)
    if right != 1:
        raise BookError(f"{where} has {right} right choices; mark one with right = true.")
    if len({choice.text for choice in made}) < len(made):
        raise BookError(f"{where} offers the same choice twice; change one.")
    return Question(text, made)


def _choice(row: dict, where: str) -> Choice:
    return Choice(_text(row, "text", where), row.get("right", False), _text(row, "feedback", where))


def _text(row: dict, key: str, where: str) -> str:
    value = row.get(key) if isinstance(row, dict) else None
    if not isinstance(value, str) or not value.strip():
        raise BookError(f"{where} has no {key}; write one.")
    return " ".join(value.split())


def of_chapter(source: Path) -> list[Question]:
    """The quiz of a chapter ``notebooks/NN_name.md``, from ``book/quizzes/NN_name.toml``; empty without one."""
    path = source.parent.parent / "book" / "quizzes" / f"{source.stem}.toml"
    return load(path) if path.is_file() else []


def insert(notebook: nbformat.NotebookNode, text: str) -> None:
    """Put a quiz before the exercises, else before the take-away, else at the end."""
    quiz = nbformat.v4.new_markdown_cell(text, id="quiz")
    for mark in ("## Exercises", ":::{admonition} Take away"):
        for i, cell in enumerate(notebook.cells):
            lines = cell.source.split("\n")
            if cell.cell_type == "markdown" and mark in lines:
                at = lines.index(mark)
                rest = nbformat.v4.new_markdown_cell("\n".join(lines[at:]), id=f"{cell.id}-after-quiz"[-64:])
                cell.source = "\n".join(lines[:at]).rstrip("\n")
                notebook.cells[i : i + 1] = [*([cell] if cell.source else []), quiz, rest]
                return
    notebook.cells.append(quiz)


def as_html(questions: list[Question], name: str) -> str:
    """The quiz as a form: radio buttons by keyboard, a button that checks, answers folded for those without script."""
    return fill("quiz.html", questions=questions, name=name).rstrip("\n")


def as_text(questions: list[Question]) -> str:
    """The quiz as Markdown for a notebook, answers folded below."""
    lines = ["## Quiz", ""]
    for number, question in enumerate(questions, 1):
        lines += [f"**{number}.** {question.text}", ""]
        lines += [f"- **{LETTERS[i]}** {choice.text}" for i, choice in enumerate(question.choices)] + [""]
    lines += ["<details><summary>Answers</summary>", ""]
    for number, question in enumerate(questions, 1):
        right = question.choices[question.answer]
        lines.append(f"{number}. **{LETTERS[question.answer]}** {right.feedback}")
    return "\n".join([*lines, "", "</details>"])
