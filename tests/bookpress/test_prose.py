"""Numbers typed into prose are found; everything that is not a result is let pass."""

from __future__ import annotations

import pytest

from bookpress.__main__ import main
from bookpress.notebook import read, sources
from bookpress.project import Project
from bookpress.prose import typed_numbers


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Accuracy was 0.83.", "0.83"),
        ("Accuracy was .83 overall", ".83"),
        ("It rose by 12% in mice.", "12%"),
        ("It rose by 12 % in mice.", "12 %"),
        ("It rose by 12 percent.", "12 percent"),
        ("There are 694 cells.", "694"),
        ("There are 3,699 cells.", "3,699"),
        ("There are 3\u202f699 cells.", "3\u202f699"),
        ("In 2020 there were 506 cells.", "506"),
        ("**0.77** in bold", "0.77"),
        ("(0.77)", "0.77"),
        ("| Pvalb | 0.91 |", "0.91"),
        ("# The 4435 cells", "4435"),
        ("[0.9 of them](page.md)", "0.9"),
        ("![A bar at 0.9](a.png)", "0.9"),
        ("The gain is +2.5 points", "2.5"),
        ("p < 0.001", "0.001"),
        ("1. The first had 0.7", "0.7"),
        ("```{note}\nWe saw 0.7.\n```", "0.7"),
        (":::{admonition} Best was 0.7\nWords.\n:::", "0.7"),
        ("````{note}\n```{tip}\nWe saw 0.7.\n```\n````", "0.7"),
        ("```{figure} a.png\n:alt: 0.5 of it\nA caption with 0.7.\n```", "0.7"),
        ("---\nweight: 0.5\n---\nBut 0.7 counts.", "0.7"),
        ("`0.5` but 0.7", "0.7"),
        ("$0.5$ but 0.7 and $0.6$", "0.7"),
        ("a 1.5-fold gain", "1.5"),
        ("from 0.7 s to 0.8 of it", "0.8"),
        ("0.7 mice", "0.7"),
        ("0.71 sparse cells", "0.71"),
    ],
)
def test_a_typed_result_is_found(text, number):
    assert [found for _, found in typed_numbers(text)] == [number]


@pytest.mark.parametrize(
    "text",
    [
        "Four subclasses, 12 families, 5 folds, 99 trees.",
        "Steps of 0.5 s, from -110 to 190 pA, sampled at 50 kHz.",
        "Windows of 1.5 ms, 0.5–1.5 s, 20 MΩ or 200 MΩ, 34 °C, 350 µm, 350 μm, 0.1 mV.",
        "It takes 300 MB, 1.5 GB and 2.5 minutes; a 100 ms window; 200-ms bins; 1,000 Hz.",
        "Gouwens et al. 2020 and a release of 2026-03-11.",
        "{cite:p}`gouwens2020` and {glue:text}`../notebooks/01_data.ipynb::n:,d` cells",
        "`n = 500` and ``0.77``",
        "$p < 0.05$ and $$\nx = 0.25\n$$",
        "[the paper](https://arxiv.org/abs/2603.11000) and <https://doi.org/10.1016/j.cell.2020.09.057>",
        "arXiv:2603.11000v2 and https://example.org/1234/0.5",
        "```python\nx = 0.77\n```",
        "~~~\n0.77\n~~~",
        "```{code-cell} ipython3\n:tags: [x]\nn = 1234\n```",
        "```{math}\n0.25\n```",
        ":::{note}\n:class: w-0.5\n```python\n0.77\n```\n:::",
        "````{note}\n```python\n0.77\n```\n````",
        "```{bibliography}\n:style: 0.5\n```",
        "```{figure} fig-0.77.png\n:width: 75%\nA caption.\n```",
        "---\nversion: 0.77\n---\n",
        "(fig-0.77)=\n# Title",
        "<!-- 0.77 -->",
        '<img width="100%">',
        "12. A list item",
        "Python 3.11, version 2.1.2, v1.0.4 and DANDI 000020",
        "[^1234]",
    ],
)
def test_what_is_no_result_passes(text):
    assert typed_numbers(text) == []


def test_lines_are_counted_in_the_file():
    text = "---\na: 1\n---\n\n```python\nx = 0.1\n```\n<!-- a\nb -->\nGot 0.77.\n$$\nx\n$$\n\nAnd 0.78.\n"
    assert typed_numbers(text) == [(10, "0.77"), (15, "0.78")]


def test_the_command_names_file_line_and_number(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("Fine.\n\nIt was 0.77.\n")
    assert main(["check-prose", str(page)]) == 1
    assert (
        capsys.readouterr().out
        == f"{page}:3: '0.77' is typed; glue it from the cell that computes it.\n1 findings\n"
    )
    page.write_text("Fine.\n")
    assert main(["check-prose", str(page)]) == 0


def test_this_book_types_no_result(root, capsys):
    assert main(["check-prose", "--root", str(root)]) == 0, capsys.readouterr().out


def test_code_that_this_book_shows_fits_its_page(root):
    wide = [
        f"{source.name}: {line}"
        for source in sources(Project(root))
        for cell in read(source).cells
        if cell.cell_type == "code" and not {"remove-input", "remove-cell"} & set(cell.metadata.get("tags", []))
        for line in cell.source.split("---\n")[-1].splitlines()
        if len(line) > 76  # characters in the column of a page at 1280 px
    ]
    assert wide == []
