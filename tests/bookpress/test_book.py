"""The real book, as built: the gate lets it pass and a real browser shows every page without a complaint."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

from bookpress.browser import served
from bookpress.gate import check
from bookpress.inspection import inspect
from bookpress.project import Project, read_json
from patchtype.experiments.paper import paper

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def html() -> Path:
    folder = Project(ROOT).html
    if not (folder / "index.html").is_file():
        if os.environ.get("HELPERS_BOOK_REQUIRED"):
            pytest.fail(f"There is no book in {folder}; `make test` builds it first.")
        pytest.skip("no book built; `make book` builds it")
    return folder


def test_the_gate_lets_the_book_pass(html):
    assert [str(finding) for finding in check(html, ROOT / "_toc.yml")] == []


def test_every_number_of_the_paper_stands_beside_one_of_the_book(html):
    build = Project(ROOT).build
    made = (build / "settings").read_text().split()
    if made != ["cohort=published", "quick=0"]:
        pytest.skip(f"the book was built with {' '.join(made)}; a full build on the published cells records every key")
    results = read_json(build / "results.json")
    assert sorted(paper().keys() - results.keys()) == []
    assert {key: results[key]["paper"] for key in paper()} == {key: row["value"] for key, row in paper().items()}
    assert {results[key]["cohort"] for key in paper()} == {"published"}


def test_launch_buttons_open_the_notebook_and_nothing_edits_it(html):
    page = (html / "notebooks" / "01_data.html").read_text(encoding="utf-8")
    url = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"].removeprefix(
        "https://github.com/"
    )
    assert f"mybinder.org/v2/gh/{url}/main?urlpath=lab/tree/notebooks/01_data.ipynb" in page
    assert f"colab.research.google.com/github/{url}/blob/main/notebooks/01_data.ipynb" in page
    assert "/edit/main/" not in page


def test_no_notebook_that_a_page_opens_elsewhere_has_an_answer(html):
    opened = set()
    for page in html.rglob("*.html"):
        opened |= set(re.findall(r'href="https://[^"]+?/(notebooks/\w+\.ipynb)"', page.read_text(encoding="utf-8")))
    assert opened == {f"notebooks/{name}.ipynb" for name in Project(ROOT).chapters()}
    for name in opened:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "SOLUTION" not in text and "NotImplementedError" in text, name


def test_figures_are_drawings(html):
    """A bitmap is for thousands of points; a style that is set too early gives bitmaps everywhere."""
    figures = [path.suffix for path in (html / "_images").iterdir()]
    assert figures.count(".svg") > 3 * figures.count(".png")


def test_no_mark_of_an_answer_is_shown(html):
    pages = (html / "notebooks").glob("*.html")
    assert [path.name for path in pages if "SOLUTION" in path.read_text(encoding="utf-8")] == []


@pytest.mark.browser
@pytest.mark.slow
def test_every_page_passes_the_inspection(chromium, html):
    project = Project(ROOT)
    with served(html) as site:
        verdicts = list(inspect(chromium, site, project, project.build / "screenshots"))
    assert [verdict.page.removesuffix(".html") for verdict in verdicts][: len(project.pages())] == project.pages()
    assert [str(finding) for verdict in verdicts for finding in verdict.findings] == []


@pytest.mark.browser
def test_search_finds_a_chapter(chromium, html):
    page = chromium.new_page()
    with served(html) as site:
        page.goto(f"{site}/search.html?q=data", wait_until="networkidle")
        page.wait_for_selector("#search-results li a")
        assert page.locator("#search-results li a[href*='01_data.html']").count()
        page.close()
