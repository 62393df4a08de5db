"""Show pages in a real Chromium and write down everything a reader would miss or suffer from."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SCREENS = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
THEMES = ("light", "dark")
# Hidden scroll bars, as on a phone: else the picture of a page is narrower than the page.
ARGUMENTS = ["--headless=new", "--no-sandbox", "--hide-scrollbars"]
# Formulas in the source of the page against formulas that MathJax drew.
TYPESET = """async () => {
  const wanted = document.querySelectorAll('span.math, div.math').length;
  if (!wanted) return '';
  if (!window.MathJax?.startup?.promise) return 'MathJax did not start';
  await MathJax.startup.promise;
  const drawn = document.querySelectorAll('.math mjx-container').length;
  const failed = document.querySelectorAll('mjx-merror').length;
  return drawn < wanted || failed ? `${drawn} of ${wanted} formulas drawn, ${failed} failed` : '';
}"""


@contextmanager
def started() -> Iterator[Any]:
    """A headless Chromium of the machine, or playwright's own.

    Where there is none the test skips with the reason; under continuous integration (CI=true) it fails.
    """
    playwright = pytest.importorskip("playwright.sync_api")
    found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    with playwright.sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(
                executable_path=next(found, None), headless=False, args=ARGUMENTS
            )
        except playwright.Error as error:
            reason = f"no Chromium could be started: {str(error).splitlines()[0]}"
            (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
        yield browser
        browser.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """``folder`` on a local port; its address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def complaints(
    browser: Any, site: str, names: list[str], screen: str, theme: str, shots: Path | None = None
) -> list[str]:
    """What is wrong with each page at this screen and theme; a picture of each goes to ``shots``."""
    found: list[str] = []
    context = browser.new_context(viewport=SCREENS[screen], color_scheme=theme)
    pages = {name: context.new_page() for name in names}
    for name, page in pages.items():  # all at once: most of the time is waiting for the network to fall quiet
        _listen(page, site, functools.partial(_say, found, name))
        page.goto(f"{site}/{name}.html", wait_until="commit")
    for name, page in pages.items():
        say = functools.partial(_say, found, name)
        page.wait_for_load_state("networkidle")
        if maths := page.evaluate(TYPESET):
            say(maths)
        over = page.evaluate("(all => all.scrollWidth - all.clientWidth)(document.documentElement)")
        if over > 0:
            say(f"{over} pixels wider than the screen")
        if page.evaluate("document.documentElement.dataset.theme ?? 'none'") not in (theme, "none"):
            say(f"not in the {theme} theme")
        if shots:
            shots.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=shots / f"{name.replace('/', '_')}-{screen}-{theme}.png", full_page=True)
    context.close()
    return found


def _say(found: list[str], name: str, what: str) -> None:
    found.append(f"{name}: {what}")


def _listen(page: Any, site: str, say: Callable[[str], None]) -> None:
    def asked(request: Any) -> None:
        if not request.url.startswith((f"{site}/", "data:", "blob:")):
            say(f"asked for {request.url}")

    page.on("console", lambda line: say(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: say(str(error)))
    page.on("request", asked)
    page.on("requestfailed", lambda request: say(f"{request.url} failed"))
    page.on("response", lambda got: None if got.ok else say(f"{got.url} gave {got.status}"))
