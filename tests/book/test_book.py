"""The real book, as built: the gate lets it pass and a real browser shows every page without a complaint."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.book.gate import check, weights
from helpers.book.project import Project, toc_pages

ROOT = Path(__file__).parents[2]
PAGES = [*toc_pages(ROOT / "_toc.yml"), "404"]
SCREENS = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
HEAVIEST_KB = 8000


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


def test_no_page_is_too_heavy(html):
    assert {page: size for page, size in weights(html, ROOT / "_toc.yml").items() if size > HEAVIEST_KB} == {}


def test_launch_buttons_open_the_notebook_and_nothing_edits_it(html):
    page = (html / "notebooks" / "01_data.html").read_text(encoding="utf-8")
    assert (
        "mybinder.org/v2/gh/interneuron-book/cross-species-ephys/main?urlpath=lab/tree/notebooks/01_data.ipynb"
        in page
    )
    assert (
        "colab.research.google.com/github/interneuron-book/cross-species-ephys/blob/main/notebooks/01_data.ipynb"
        in page
    )
    assert "/edit/main/" not in page


def executable() -> str | None:
    """A Chromium of the machine, or None: then playwright looks for its own."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(
                executable_path=executable(), headless=False, args=["--headless=new", "--no-sandbox"]
            )
        except playwright.Error as error:
            reason = f"no Chromium could be started ({str(error).splitlines()[0]})"
            (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(html: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(html))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_a_browser_shows_every_page_without_a_complaint(chromium, site, screen, theme):
    shots = Project(ROOT).build / "screenshots"
    shots.mkdir(exist_ok=True)
    context = chromium.new_context(viewport=SCREENS[screen], color_scheme=theme)
    complaints: list[str] = []
    for name in PAGES:
        page = context.new_page()
        page.on(
            "console", lambda said, at=name: said.type == "error" and complaints.append(f"{at}: {said.text}")
        )
        page.on("pageerror", lambda error, at=name: complaints.append(f"{at}: {error}"))
        page.on("requestfailed", lambda request, at=name: complaints.append(f"{at}: {request.url} failed"))
        page.on(
            "request",
            lambda request, at=name: (
                request.url.startswith((site, "data:", "blob:"))
                or complaints.append(f"{at}: asked for {request.url}")
            ),
        )
        page.on(
            "response", lambda response, at=name: response.ok or complaints.append(f"{at}: {response.status}")
        )
        page.goto(f"{site}/{name}.html", wait_until="networkidle")
        if page.locator(".math").count():
            page.wait_for_function("window.MathJax && MathJax.startup && MathJax.startup.promise")
            page.evaluate("MathJax.startup.promise")
            formulas, typeset = page.locator(".math").count(), page.locator(".math mjx-container").count()
            if typeset < formulas or page.locator("mjx-merror").count():
                complaints.append(f"{name}: {typeset} of {formulas} formulas typeset")
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if over > 0:
            complaints.append(f"{name}: {over} pixels wider than the screen")
        if name != "404" and page.evaluate("document.documentElement.dataset.theme") != theme:
            complaints.append(f"{name}: not in the {theme} theme")
        page.screenshot(path=shots / f"{name.replace('/', '_')}-{screen}-{theme}.png", full_page=True)
        page.close()
    context.close()
    assert complaints == []


@pytest.mark.browser
def test_search_finds_a_chapter(chromium, site):
    page = chromium.new_page()
    page.goto(f"{site}/search.html?q=data", wait_until="networkidle")
    page.wait_for_selector("#search-results li a")
    assert page.locator("#search-results li a[href*='01_data.html']").count()
    page.close()
