"""Every page in a real browser, as readers of all kinds use it: one line of verdicts a page, then the findings."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from bookpress.browser import SCREENS, THEMES, displayed, opened, photograph
from bookpress.gate import Finding, check, weights
from bookpress.project import Project

ASPECTS = ("axe", "keyboard", "load", "links", "weight")
# The success criteria of WCAG 2.2 up to AA, and axe's own good practice (landmarks, headings, table headers).
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE = """async tags => (await axe.run(document, {runOnly: tags, resultTypes: ['violations']})).violations.map(
  v => `${v.id} (${v.impact}): ${v.help}; ${v.nodes.length} times, first ${v.nodes[0].target.join(' ')}`)"""
# Enough to pass the frame of a page and to reach what its author wrote.
STOPS = 25
# Where the focus is, and whether a reader can see it: an outline, a shadow, or a change of ground.
FOCUS = """() => {
  const here = document.activeElement;
  if (!here || here === document.body) return null;
  const box = here.getBoundingClientRect(), look = getComputedStyle(here);
  const ring = look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) > 0 || look.boxShadow !== 'none';
  const name = here.tagName.toLowerCase() + (here.id ? '#' + here.id : '')
    + [...here.classList].slice(0, 2).map(c => '.' + c).join('');
  return {name, seen: box.width > 1 && box.height > 1 && ring, href: here.getAttribute('href')};
}"""
QUESTION = "article fieldset input[type=radio]"
ANSWERED = """input => {
  const form = input.closest('form') ?? input.closest('.quiz, section, fieldset');
  return [...form.querySelectorAll('[aria-live], [role=status], output')].some(line => line.textContent.trim());
}"""


@dataclass
class Verdict:
    """What one page showed: the findings under each aspect, and its weight on a first visit in kB."""

    page: str
    kilobytes: float = 0.0
    found: dict[str, list[str]] = field(default_factory=lambda: {aspect: [] for aspect in ASPECTS})

    def add(self, aspect: str, what: str) -> None:
        if what not in self.found[aspect]:  # once a page, however many screens and themes show it
            self.found[aspect].append(what)

    def __str__(self) -> str:
        words = [f"{aspect} {len(found) or 'ok'}" for aspect, found in self.found.items()]
        return f"{self.page}: {', '.join(words)}, {self.kilobytes:,.0f} kB"

    def findings(self) -> list[Finding]:
        return [Finding(self.page, f"{aspect}: {what}") for aspect in ASPECTS for what in self.found[aspect]]


def inspect(browser: Any, site: str, project: Project, shots: Path | None = None) -> Iterator[Verdict]:
    """A verdict for each page of the table of contents and for the pages around them, in reading order.

    ``site`` serves ``project.html``. Pictures of each page at each screen and theme go to ``shots``.
    """
    toc = project.root / "_toc.yml"
    heavy = weights(project.html, toc)
    wrong: dict[str, list[str]] = {}
    for finding in check(project.html, toc):
        wrong.setdefault(finding.page, []).append(finding.what)
    for name in [*project.pages(), "404", "genindex", "search"]:
        verdict = Verdict(f"{name}.html", heavy.get(f"{name}.html", 0.0))
        for what in wrong.pop(verdict.page, []):
            verdict.add("weight" if " kB " in what else "links", what)
        for screen in SCREENS:
            _show(browser, site, name, screen, verdict, shots)
        yield verdict
    for page, lines in wrong.items():  # a style sheet, or a page that nobody asked for
        verdict = Verdict(page)
        for what in lines:
            verdict.add("links", what)
        yield verdict


def _show(browser: Any, site: str, name: str, screen: str, verdict: Verdict, shots: Path | None) -> None:
    with opened(browser, site, name, screen, functools.partial(verdict.add, "load")) as page:
        page.evaluate(files("bookpress").joinpath("axe/axe.min.js").read_text("utf-8"))
        for theme in THEMES:
            for what in displayed(page, theme):
                verdict.add("load", f"{what} ({screen}, {theme})")
            for what in page.evaluate(AXE, TAGS):
                verdict.add("axe", what)
            if shots:
                photograph(page, shots, f"{name.replace('/', '_')}-{screen}-{theme}")
        if screen == "desktop":
            for what in keyboard(page):
                verdict.add("keyboard", what)


def keyboard(page: Any) -> Iterator[str]:
    """What a reader without a mouse cannot do on a loaded page."""
    themed = page.locator("#pst-skip-link").count() > 0  # the page for lost readers has no frame
    page.evaluate("document.activeElement?.blur()")
    for stop in range(STOPS):
        page.keyboard.press("Tab")
        here = page.evaluate(FOCUS)
        if here is None:
            break
        if not here["seen"]:
            yield f"the focus cannot be seen on {here['name']}; give it an outline in assets/static/book.css."
        if stop == 0 and themed and here["href"] != "#main-content":
            yield f"the first stop is {here['name']}, not the link that skips to the text."
    if themed and page.locator("#main-content").count() == 0:
        yield "the link that skips to the text leads nowhere."
    if themed and page.locator("#pst-search-dialog").count():
        page.keyboard.press("Control+k")
        if not page.evaluate("document.activeElement?.matches('.bd-search input')"):
            yield "Ctrl+K does not open the search."
        page.keyboard.press("Escape")
        if page.locator("#pst-search-dialog[open]").count():
            yield "Escape does not close the search."
    question = page.locator(QUESTION).first
    if question.count():
        question.focus()
        page.keyboard.press("Space")
        button = question.locator("xpath=(ancestor::form | ancestor::fieldset)[1]//button").first
        if button.count():
            button.focus()
            page.keyboard.press("Enter")
        if not question.evaluate(ANSWERED):
            yield "the quiz gives no answer to the keyboard; its feedback belongs in an aria-live element."
