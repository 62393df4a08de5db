"""A real Chromium on a served folder, and what a reader there would miss or suffer from."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bookpress.project import BookError

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
OVERFLOW = "(all => all.scrollWidth - all.clientWidth)(document.documentElement)"


@contextmanager
def started() -> Iterator[Any]:
    """A headless Chromium of the machine, or playwright's own; BookError where there is neither."""
    try:
        from playwright import sync_api as playwright
    except ModuleNotFoundError as error:
        raise BookError("playwright is not installed; `make env` installs it with the other tools.") from error
    found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    with playwright.sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(
                executable_path=next(found, None), headless=False, args=ARGUMENTS
            )
        except playwright.Error as error:
            raise BookError(
                f"no Chromium could be started ({str(error).splitlines()[0]}); install the system's chromium, "
                "or run `playwright install chromium`."
            ) from error
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


@contextmanager
def opened(browser: Any, site: str, name: str, screen: str, say: Callable[[str], None]) -> Iterator[Any]:
    """The page ``name`` as a reader with this screen has it open; what goes wrong meanwhile is said."""
    context = browser.new_context(viewport=SCREENS[screen], color_scheme=THEMES[0], reduced_motion="reduce")
    page = context.new_page()
    listen(page, site, say)
    page.goto(f"{site}/{name}.html", wait_until="networkidle")
    yield page
    context.close()


def displayed(page: Any, theme: str) -> Iterator[str]:
    """What is wrong with an open page in a theme: formulas, width, colours."""
    page.emulate_media(color_scheme=theme)
    page.wait_for_timeout(50)  # the page follows the system's wish in a listener
    if maths := page.evaluate(TYPESET):
        yield maths
    over = page.evaluate(OVERFLOW)
    if over > 0:
        yield f"{over} pixels wider than the screen"
    if page.evaluate("document.documentElement.dataset.theme ?? 'none'") not in (theme, "none"):
        yield f"not in the {theme} theme"


def photograph(page: Any, folder: Path, name: str) -> None:
    """A picture of the whole page in ``folder/name.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", full_page=True)


def listen(page: Any, site: str, say: Callable[[str], None]) -> None:
    """Tell of every script error, failed request and request to another host from now on."""

    def asked(request: Any) -> None:
        if not request.url.startswith((f"{site}/", "data:", "blob:")):
            say(f"asked for {request.url}")

    page.on("console", lambda line: say(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: say(str(error)))
    page.on("request", asked)
    page.on("requestfailed", lambda request: say(f"{request.url} failed"))
    page.on("response", lambda got: None if got.ok else say(f"{got.url} gave {got.status}"))
