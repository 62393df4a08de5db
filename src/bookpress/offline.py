"""The book to hand out: one archive of its pages, and one PDF of all pages in reading order, with checksums."""

from __future__ import annotations

import posixpath
import zipfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag
from markupsafe import Markup

from bookpress.browser import TYPESET, served, started
from bookpress.files import sum_line, whole, write_sums
from bookpress.project import BookError, Project
from bookpress.template import fill

# A fixed time for every member, so that equal pages give an equal archive.
EPOCH = (1980, 1, 1, 0, 0, 0)
# What only works on a screen.
SCREEN_ONLY = (
    "script, noscript, button, .headerlink, .prev-next-area, .book-contents, .tag_hide-input details.above-input"
)
NUMBERED = (
    '<div style="font-family: sans-serif; font-size: 8px; text-align: center; width: 100%">'
    '<span class="pageNumber"></span></div>'
)
#: Folds that are open on paper; of all others a link to the page remains.
OPENED = "details.book-provenance, details.sd-dropdown"


def offline(project: Project) -> list[Path]:
    """Write the archive, the PDF and SHA256SUMS into ``_build/offline``; the files written.

    BookError where no book is built, or no browser can be started to print it.
    """
    if not (project.html / "index.html").is_file():
        raise BookError(f"There is no book in {project.html}; `make book` builds it.")
    name = project.repository.rsplit("/", 1)[-1]
    folder = project.build / "offline"
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / f"{name}.zip", folder / f"{name}.pdf"]
    archive(project.html, written[0], project.title)
    print_all(project, written[1], project.title, project.home)
    return [*written, write_sums(written)]


def archive(html: Path, target: Path, title: str) -> None:
    """``html`` as ``book/`` in one zip, with ``start.html`` and SHA256SUMS beside it; whole or not at all."""
    sums = []
    with whole(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as packed:

        def add(name: str, content: bytes) -> None:
            packed.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_DEFLATED)
            sums.append(sum_line(name, content))

        add("start.html", fill("start.html", title=title).encode())
        for path in sorted(path for path in html.rglob("*") if path.is_file()):
            add(f"book/{path.relative_to(html).as_posix()}", path.read_bytes())
        packed.writestr(zipfile.ZipInfo("SHA256SUMS", EPOCH), "".join(sums))


def print_all(project: Project, target: Path, title: str, home: str) -> None:
    """All pages of the table of contents as one tagged PDF with an outline, printed by a browser.

    Code that the pages fold away is left out; what else they fold, such as solutions, becomes a link to the page.
    """
    text = one_page(project, title, home)
    with whole(target) as part, started() as browser, served(project.html) as site:
        page = browser.new_page()
        page.route("**/printed.html", lambda route: route.fulfill(body=text, content_type="text/html"))
        page.goto(f"{site}/printed.html", wait_until="networkidle")
        if failed := page.evaluate(TYPESET):
            raise BookError(f"The PDF is not printed: {failed}.")
        page.pdf(
            path=part, tagged=True, outline=True, print_background=True, prefer_css_page_size=True,
            display_header_footer=True, header_template="<span></span>", footer_template=NUMBERED,
        )  # fmt: skip


def one_page(project: Project, title: str, home: str) -> str:
    """All pages in reading order as the HTML of one page that lies in the book's first folder.

    Anchors get their page's name in front. A link into the book leads to the same place in this page, or, where
    it leads to none of its pages, to ``home``, the book's address.
    """
    names = project.pages()
    sections, styles = [], []
    for name in names:
        soup = BeautifulSoup((project.html / f"{name}.html").read_text(encoding="utf-8"), "lxml")
        styles = styles or [_from_root(link["href"], name) for link in soup.select("link[rel=stylesheet]")]
        article = soup.select_one("article")
        if article is None:
            raise BookError(f"{name}.html holds no article; `make book` renders it anew.")
        for tag in article.select(SCREEN_ONLY):
            tag.decompose()
        for tag in article.select(OPENED):
            tag["open"] = ""  # paper does not unfold
        for tag in article.select(f"details:not({OPENED})"):
            words = next(tag.summary.stripped_strings)
            link = soup.new_tag("a", href=f"{home}{name}.html")
            link.string = f"{words} (on the page of the book)"
            tag.replace_with(link)
        _transplant(article, name, set(names), home)
        sections.append((_slug(name), Markup(article)))
    return fill("printed.html", title=title, styles=styles, sections=sections)


def _transplant(article: Tag, name: str, names: set[str], home: str) -> None:
    for tag in article.find_all(id=True):
        tag["id"] = f"{_slug(name)}--{tag['id']}"
    for tag in article.select("img[src]"):
        tag["src"] = _from_root(tag["src"], name)
    for tag in article.select("a[href]"):
        parts = urlsplit(tag["href"])
        if parts.scheme or parts.netloc:
            continue
        path = _from_root(parts.path, name) if parts.path else f"{name}.html"
        page = path.removesuffix(".html")
        if page in names:
            tag["href"] = f"#{_slug(page)}" + (f"--{unquote(parts.fragment)}" if parts.fragment else "")
        else:
            tag["href"] = home + path


def _from_root(url: str, page: str) -> str:
    return url if url.startswith("data:") else posixpath.normpath(posixpath.join(posixpath.dirname(page), url))


def _slug(page: str) -> str:
    return page.replace("/", "-")
