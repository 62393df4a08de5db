"""Look at the rendered pages as a reader without a network would, and name everything that is wrong."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

from bookpress.finding import Finding
from bookpress.project import BookError, toc_pages

# Made by Sphinx or by the staging, beside the pages that the table of contents names.
EXTRA_PAGES = {"index", "genindex", "search", "404"}
ALT_LENGTH = 20
# What a page may weigh on a first visit, see `first_visit_kb`.
LIMIT_KB = 1500
COMPRESSED = {".html", ".css", ".js", ".svg", ".json"}
TRACEBACK = "Traceback (most recent call last)"
# What a browser fetches by itself when it shows a page; a plain link is not among them.
FETCHED = {
    "script": ["src"],
    "link": ["href"],
    "img": ["src", "srcset"],
    "source": ["src", "srcset"],
    "video": ["src", "poster"],
    "audio": ["src"],
    "iframe": ["src"],
    "embed": ["src"],
    "object": ["data"],
    "input": ["src"],
    "image": ["href", "xlink:href"],
    "use": ["href", "xlink:href"],
}
# Relations of a <link> that make a browser fetch or connect.
FETCHING = re.compile("stylesheet|icon|pre(?:load|fetch|connect)|dns-prefetch|modulepreload|manifest", re.I)
ASKS = "asks another host for {}; put the file into assets/static or do without."
RAW = [
    (re.compile(r"\{[A-Za-z][\w:+-]*\}\n?`"), "a role that was not rendered"),
    (re.compile(r"(?:^|\s)(?:`{3,}|:{3,})\s*\{[A-Za-z]"), "a directive that was not rendered"),
    (re.compile(r"(?:^|\s):::+(?:\s|$)"), "a colon fence that was not rendered"),
    (re.compile(r"\{\{.*?\}\}"), "a substitution that was not filled in"),
]
FILE_NAME = re.compile(r"\S*/\S*|\S+\.(?:png|svg|jpe?g|gif|webp)", flags=re.IGNORECASE)
CSS_URL = re.compile(r"""url\(\s*['"]?([^'")]+)|@import\s+['"]([^'"]+)""")
SCRIPT_URL = re.compile(r"""['"]((?:https?:)?//[^'"\s]+\.(?:m?js|css)(?:\?[^'"]*)?)['"]""")


class Page:
    """One rendered page, parsed once."""

    def __init__(self, folder: Path, path: Path):
        self.folder, self.path = folder, path
        self.name = path.relative_to(folder).as_posix()
        self.soup = BeautifulSoup(path.read_text(encoding="utf-8"), "lxml")

    @cached_property
    def content(self) -> Tag:
        """What the author wrote, without the theme's frame around it."""
        return self.soup.select_one("article") or self.soup.main or self.soup.body or self.soup

    @cached_property
    def anchors(self) -> set[str]:
        named = {tag["id"] for tag in self.soup.find_all(id=True)}
        return named | {tag["name"] for tag in self.soup.find_all("a", attrs={"name": True})}

    @cached_property
    def points_on(self) -> str | None:
        """Where a page that only sends the reader on leads to; None for every other page."""
        tag = self.soup.find("meta", attrs={"http-equiv": re.compile("^refresh$", re.I)})
        found = re.search(r"url=\s*(\S+)", tag.get("content", ""), re.I) if tag else None
        return found[1] if found else None

    def fetched(self) -> Iterator[str]:
        """Every address that showing the page asks for, as written in it."""
        for name, attributes in FETCHED.items():
            for tag in self.soup.find_all(name):
                if name == "link" and not any(map(FETCHING.fullmatch, tag.get("rel", []))):
                    continue
                for attribute in attributes:
                    value = tag.get(attribute)
                    if value and attribute == "srcset":
                        yield from (part.split()[0] for part in value.split(",") if part.strip())
                    elif value:
                        yield value
        for tag in self.soup.find_all(style=True):
            yield from css_urls(tag["style"])
        for tag in self.soup.find_all("style"):
            yield from css_urls(tag.get_text())
        for tag in self.soup.find_all("script", src=False):
            if tag.get("type", "").lower() not in ("application/json", "application/ld+json"):
                yield from SCRIPT_URL.findall(tag.get_text())


def css_urls(css: str) -> list[str]:
    """Addresses in ``url(...)`` and ``@import`` of a style sheet.

    >>> css_urls("@import 'a.css'; b { background: url(c.png) }")
    ['a.css', 'c.png']
    """
    return [first or second for first, second in CSS_URL.findall(css)]


def check(folder: Path, toc: Path) -> list[Finding]:
    """Everything wrong in the rendered book at ``folder``, page by page; empty when it is fit to be read.

    Raises BookError when there is no book at ``folder``.
    """
    pages = _pages(folder)
    findings = list(_page_count(folder, toc, pages))
    for page in pages.values():
        for rule, aspect in RULES.items():
            findings += [Finding(page.name, what, aspect) for what in rule(page, pages)]
    return findings + list(_style_sheets(folder))


def _pages(folder: Path) -> dict[Path, Page]:
    paths = [
        path for path in sorted(folder.rglob("*.html")) if path.relative_to(folder).parts[0] != "_static"
    ]
    if not paths:
        raise BookError(f"There is no page in {folder}; `make book` renders the book.")
    return {path.resolve(): Page(folder, path) for path in paths}


def _page_count(folder: Path, toc: Path, pages: dict[Path, Page]) -> Iterator[Finding]:
    wanted = set(toc_pages(toc))
    found = {page.name.removesuffix(".html") for page in pages.values() if not page.points_on}
    for name in sorted(wanted - found):
        yield Finding(f"{name}.html", "is in _toc.yml and was not rendered; see the build's messages.")
    for name in sorted(found - wanted - EXTRA_PAGES):
        yield Finding(f"{name}.html", "is not in _toc.yml; add it there or remove its source.")


def _no_error(page: Page, pages: dict[Path, Page]) -> Iterator[str]:
    if page.content.select_one(".output.traceback, .output.error, .cell_output .error"):
        yield "shows the traceback of a failed cell; correct the cell and run the notebook again."
    elif any(TRACEBACK in tag.get_text() for tag in page.content.select(".cell_output")):
        yield "prints a traceback; correct the cell and run the notebook again."
    if page.content.select_one(".system-message, .problematic"):
        yield "shows a message of the renderer; correct the markup it points at."


def _nothing_raw(page: Page, pages: dict[Path, Page]) -> Iterator[str]:
    prose = BeautifulSoup(str(page.content), "lxml")
    for tag in prose.select("pre, script, style, .math"):
        tag.decompose()
    for tag in prose.select("code"):  # what is left of a role nobody knew is its name before some code
        tag.replace_with("`")
    text = prose.get_text("\n")
    for pattern, what in RAW:
        if match := pattern.search(text):
            shown = " ".join(text[match.start() : match.end() + 30].split())
            yield f"holds {what} ({shown!r}); correct its markup."
    for tag in prose.select(".pasted-text, .pasted-inline"):
        if tag.get_text().strip().strip("'\"").lower() in ("", "nan", "none", "inf", "-inf"):
            yield f"glues {tag.get_text().strip() or 'nothing'!r} into the text; correct the recorded value."


def _alt_text(page: Page, pages: dict[Path, Page]) -> Iterator[str]:
    for image in page.content.find_all("img"):
        alt = (image.get("alt") or "").strip()
        source = image.get("src", "")[:80]
        if not alt:
            yield f"image {source} has no alt text; say in a sentence what it shows."
        elif FILE_NAME.fullmatch(alt):
            yield f"image {source} has a file name as alt text ({alt!r}); say in a sentence what it shows."
        elif len(alt) < ALT_LENGTH:
            yield f"image {source} has only {alt!r} as alt text; {ALT_LENGTH} characters or more are needed."


def _no_foreign_host(page: Page, pages: dict[Path, Page]) -> Iterator[str]:
    for url in dict.fromkeys(page.fetched()):
        if is_foreign(url):
            yield ASKS.format(url)


def is_foreign(url: str) -> bool:
    """Whether fetching ``url`` from a page of the book leaves the book's own host."""
    return urlsplit(url.strip()).netloc != ""


def _links_resolve(page: Page, pages: dict[Path, Page]) -> Iterator[str]:
    links = [tag["href"] for tag in page.soup.find_all("a", href=True)]
    for url in dict.fromkeys([*links, *filter(None, [page.points_on]), *page.fetched()]):
        parts = urlsplit(url.strip())
        if parts.scheme or parts.netloc:
            continue
        if parts.path.startswith("/"):
            yield f"links to {url}, which leaves the book; make it relative to this page."
            continue
        path = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path.resolve()
        if path.is_dir():
            path = path / "index.html"
        if not path.is_file():
            yield f"links to {url}, and there is no such file; correct the link."
        elif parts.fragment and path in pages and unquote(parts.fragment) not in pages[path].anchors:
            yield f"links to {url}, and that page has no such anchor; correct the link."


def _style_sheets(folder: Path) -> Iterator[Finding]:
    for path in sorted(folder.rglob("*.css")):
        name = path.relative_to(folder).as_posix()
        for url in dict.fromkeys(css_urls(path.read_text(encoding="utf-8", errors="replace"))):
            if is_foreign(url):
                yield Finding(name, ASKS.format(url), "links")


def _not_too_heavy(page: Page, pages: dict[Path, Page]) -> Iterator[str]:
    weight = first_visit_kb(page)
    if weight > LIMIT_KB:
        yield (
            f"weighs {weight:,.0f} kB on a first visit, over the limit of {LIMIT_KB:,} kB; "
            "make its figures smaller or fewer."
        )


#: Each rule with the aspect of what it finds.
RULES: dict[Callable[[Page, dict[Path, Page]], Iterator[str]], str] = {
    _no_error: "content", _nothing_raw: "content", _alt_text: "content",
    _no_foreign_host: "links", _links_resolve: "links", _not_too_heavy: "weight",
}  # fmt: skip


def first_visit_kb(page: Page) -> float:
    """What a reader whose browser knows nothing of the book yet downloads for this page, in kB (1,000 bytes).

    The page and every file of the book that it asks for, each once; text as a web server sends it, compressed
    by gzip. On later pages all that lies in ``_static`` is already there. A picture inside the page counts with it.
    """
    parts = {page.path.resolve()}
    parts |= {(page.path.parent / unquote(urlsplit(url).path)).resolve() for url in page.fetched() if url}
    return sum(_sent_bytes(path) for path in parts if path.is_file()) / 1000


def _sent_bytes(path: Path) -> int:
    return _zipped_bytes(path, path.stat().st_mtime_ns) if path.suffix in COMPRESSED else path.stat().st_size


@cache
def _zipped_bytes(path: Path, mtime_ns: int) -> int:
    return len(gzip.compress(path.read_bytes(), compresslevel=6))


def weights(folder: Path, toc: Path) -> dict[str, float]:
    """Weight of each page of the book on a first visit in kB, see `first_visit_kb`."""
    known = {f"{name}.html" for name in toc_pages(toc)}
    return {page.name: first_visit_kb(page) for page in _pages(folder).values() if page.name in known}
