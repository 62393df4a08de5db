"""Quizzes: this book's are whole; a broken one is told; a reader answers by keyboard, or without script."""

from __future__ import annotations

import tomllib

import nbformat
import pytest
from bs4 import BeautifulSoup

from bookpress.browser import served
from bookpress.notebook import sources
from bookpress.project import BookError, Project
from bookpress.prose import typed_numbers
from bookpress.quiz import as_html, as_text, insert, load, of_chapter

GOOD = """
[[question]]
text = "Which is < a cell?"
choice = [
  {text = "Pvalb", feedback = "It is \\"one\\".", right = true},
  {text = "Tau", feedback = "That is a feature."},
]
"""


@pytest.fixture
def quiz(tmp_path):
    def put(text):
        path = tmp_path / "01_data.toml"
        path.write_text(text)
        return load(path)

    return put


def test_the_first_six_chapters_have_four_questions_or_more(root):
    chapters = sources(Project(root))[:6]
    assert {path.stem: len(of_chapter(path)) for path in chapters if len(of_chapter(path)) < 4} == {}


def test_every_quiz_belongs_to_a_chapter_and_types_no_result(root):
    names = {path.stem for path in sources(Project(root))}
    for path in (root / "book" / "quizzes").glob("*.toml"):
        assert path.stem in names
        assert typed_numbers(as_text(load(path))) == []


@pytest.fixture(scope="module")
def every(root):
    return {path.stem: load(path) for path in sorted((root / "book" / "quizzes").glob("*.toml"))}


def length(question, places=(0, 1, 2)):
    return {place: len(question.choices[place].text) for place in places}


STRATEGIES = {
    "first": lambda q: 0, "second": lambda q: 1, "third": lambda q: 2,
    "longest": lambda q: max(length(q), key=length(q).get), "shortest": lambda q: min(length(q), key=length(q).get),
    "longer of A and B": lambda q: max((0, 1), key=length(q).get),
    "longer of B and C": lambda q: max((1, 2), key=length(q).get),
}  # fmt: skip


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_who_has_not_read_the_chapter_scores_by_chance(every, strategy):
    questions = [question for quiz in every.values() for question in quiz]
    score = sum(STRATEGIES[strategy](q) == q.answer for q in questions) / len(questions)
    chance = sum(1 / len(q.choices) for q in questions) / len(questions)
    print(f"{strategy}: {score:.0%} of {len(questions)} questions, by chance {chance:.0%}")
    assert abs(score - chance) <= 0.10


def test_choices_are_of_like_length(every):
    for name, quiz in every.items():
        for number, question in enumerate(quiz, 1):
            lengths = length(question).values()
            assert len(question.choices) == 3
            assert max(lengths) <= 1.5 * min(lengths), f"{name}, question {number}: {lengths}"


def test_every_chapter_has_something_to_compute_and_the_computation_is_right(root):
    for path in sorted((root / "book" / "quizzes").glob("*.toml")):
        worked = [q["worked"] for q in tomllib.loads(path.read_text())["question"] if "worked" in q]
        assert worked and all(eval(computation) for computation in worked), path.name


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (GOOD, "", "has no question; write each as"),
        ("[[question]]", "[[question", "is not a readable TOML file"),
        ('text = "Which is < a cell?"', "", r"01_data.toml, question 1 has no text; write one\."),
        (", right = true", "", r"question 1 has 0 right choices; mark one with right = true\."),
        ('a feature."', 'a feature.", right = true', "question 1 has 2 right choices"),
        ('feedback = "That is a feature."', 'feedback = " "', "question 1, choice 2 has no feedback"),
        ('"Tau"', '"Pvalb"', "question 1 offers the same choice twice"),
        ('  {text = "Tau", feedback = "That is a feature."},\n', "", "question 1 has 1 choices; it needs two"),
    ],
)
def test_a_wrong_quiz_is_told(quiz, old, new, message):
    with pytest.raises(BookError, match=message):
        quiz(GOOD.replace(old, new))


def test_the_form_has_a_legend_a_label_for_each_choice_and_answers_without_script(quiz):
    text = as_html(quiz(GOOD), "01_data")
    assert "\n\n<" not in text.partition("<div")[2], "a blank line would end the HTML block"
    page = BeautifulSoup(text, "lxml")
    assert page.select_one("fieldset > legend").get_text() == "1. Which is < a cell?"
    radios = page.select("input[type=radio]")
    assert [page.select_one(f'label[for="{radio["id"]}"]').get_text() for radio in radios] == ["Pvalb", "Tau"]
    assert len({radio["name"] for radio in radios}) == 1
    assert page.select_one("[role=status][aria-live=polite]")
    assert page.select_one("details li").get_text() == 'Pvalb It is "one".'
    assert page.select_one("button").has_attr("hidden")


def test_as_text_the_answers_are_folded(quiz):
    text = as_text(quiz(GOOD))
    assert text.index("**B** Tau") < text.index("<details>") < text.index('1. **A** It is "one".')


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (["# A\n\nb", "c\n\n## Exercises\n\nd"], ["# A\n\nb", "c", "Q", "## Exercises\n\nd"]),
        (["## Exercises\n\nd"], ["Q", "## Exercises\n\nd"]),
        (["a\n\n:::{admonition} Take away\n:::"], ["a", "Q", ":::{admonition} Take away\n:::"]),
        (["a"], ["a", "Q"]),
    ],
)
def test_a_quiz_stands_before_the_exercises(cells, order):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text) for text in cells])
    insert(notebook, "Q")
    assert [cell.source for cell in notebook.cells] == order
    nbformat.validate(notebook)


@pytest.mark.browser
@pytest.mark.parametrize("script", [True, False])
def test_a_quiz_is_answered_by_keyboard_alone_and_read_without_script(chromium, quiz, root, tmp_path, script):
    body = as_html(quiz(GOOD), "01_data").partition("\n\n")[2]
    code = (root / "assets" / "static" / "quiz.js").read_text()
    (tmp_path / "page.html").write_text(f"<!DOCTYPE html><script>{code}</script>{body}")
    context = chromium.new_context(java_script_enabled=script)
    page = context.new_page()
    with served(tmp_path) as site:
        page.goto(f"{site}/page.html")
        button, said = page.locator("button"), page.locator("[role=status]")
        assert button.is_visible() == script
        if script:
            page.keyboard.press("Tab")
            page.keyboard.press("ArrowDown")
            page.keyboard.press("Tab")
            page.keyboard.press("Enter")
            assert said.text_content() == "Not quite. That is a feature."
            page.keyboard.press("Shift+Tab")
            page.keyboard.press("ArrowUp")
            assert said.text_content() == ""
            page.keyboard.press("Enter")
            assert said.text_content() == 'Right. It is "one".'
        else:
            page.locator("summary").click()
            assert page.locator("details li").is_visible()
    context.close()
