"""Every page in a real browser, as readers of all kinds use it: one line of verdicts a page, then the findings."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from bookpress.browser import SCREENS, THEMES, displayed, opened, photograph
from bookpress.finding import Finding
from bookpress.gate import check, weights
from bookpress.project import Project
from bookpress.reading import Reading, of_book

ASPECTS = ("axe", "keyboard", "load", "content", "links", "weight")
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
    """What one page showed: the findings, its weight on a first visit in kB, and how it reads."""

    page: str
    kilobytes: float = 0.0
    reading: Reading | None = None
    findings: list[Finding] = field(default_factory=list)

    def add(self, aspect: str, what: str) -> None:
        finding = Finding(self.page, f"{aspect}: {what}", aspect)
        if finding not in self.findings:  # once a page, however many screens and themes show it
            self.findings.append(finding)

    def __str__(self) -> str:
        counts = Counter(finding.aspect for finding in self.findings)
        words = [f"{aspect} {counts[aspect] or 'ok'}" for aspect in ASPECTS]
        return ", ".join([f"{self.page}: {words[0]}", *words[1:], f"{self.kilobytes:,.0f} kB",
                          *([str(self.reading)] if self.reading else [])])


def inspect(browser: Any, site: str, project: Project, shots: Path | None = None) -> Iterator[Verdict]:
    """A verdict for each page of the table of contents and for the pages around them, in reading order.

    ``site`` serves ``project.html``. Pictures of each page at each screen and theme go to ``shots``.
    """
    toc = project.root / "_toc.yml"
    heavy, read = weights(project.html, toc), of_book(project.html, toc)
    wrong: dict[str, list[Finding]] = {}
    for finding in check(project.html, toc):
        wrong.setdefault(finding.page, []).append(finding)
    for name in [*project.pages(), "404", "genindex", "search"]:
        page = f"{name}.html"
        verdict = Verdict(page, heavy.get(page, 0.0), read.get(page))
        for finding in wrong.pop(page, []):
            verdict.add(finding.aspect, finding.what)
        for screen in SCREENS:
            _show(browser, site, name, screen, verdict, shots)
        yield verdict
    for page, found in wrong.items():  # a style sheet, or a page that nobody asked for
        yield Verdict(page, findings=found)


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
            if verdict.reading:
                verdict.reading = verdict.reading.seen(page)
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
