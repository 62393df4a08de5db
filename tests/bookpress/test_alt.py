"""Alt texts quote what the run has computed, and say so when there is nothing to quote."""

from __future__ import annotations

import nbformat
import pytest

from bookpress.alt import glued, speak
from bookpress.course.slides import slides
from bookpress.project import BookError


@pytest.fixture
def notebook() -> nbformat.NotebookNode:
    said = nbformat.v4.new_output(
        "display_data",
        {"application/papermill.record/text/plain": "Sst is commonest."},
        metadata={"scrapbook": {"name": "commonest", "mime_prefix": "application/papermill.record/"}},
    )
    drawn = nbformat.v4.new_output("display_data", {"image/png": "AAAA"})
    figure = {"figure": {"name": "fig-a"}, "image": {"alt": "Bars of cells. {glue:text}`commonest`"}}
    return nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# A chapter"),
            nbformat.v4.new_code_cell("", metadata={"mystnb": figure}, outputs=[drawn]),
            nbformat.v4.new_code_cell("", outputs=[said]),
        ]
    )


def test_what_is_glued_is_found_by_its_key(notebook):
    assert glued(notebook) == {"commonest": "Sst is commonest."}


def test_an_alt_text_quotes_a_later_cell_too(notebook):
    speak(notebook)
    assert notebook.cells[1].metadata["mystnb"]["image"]["alt"] == "Bars of cells. Sst is commonest."


def test_an_alt_text_without_an_answer_is_told(notebook):
    del notebook.cells[2]
    with pytest.raises(BookError, match="^The alt text of fig-a asks for 'commonest', which no cell has glued.$"):
        speak(notebook)


def test_slides_speak_too(notebook):
    assert slides(notebook)[-1].alt == "Bars of cells. Sst is commonest."
