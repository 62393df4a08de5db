"""The copies to hand out: whole, checkable, and readable without a server."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile

import pytest
from bs4 import BeautifulSoup

from bookpress.offline import archive, offline, one_page
from bookpress.project import BookError, Project, toc_pages


def test_the_archive_opens_at_its_start_file_and_proves_its_members(built, tmp_path):
    html = built[0].project.html
    archive(html, tmp_path / "a.zip", "A book")
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        packed.extractall(tmp_path / "out")
    start = BeautifulSoup((tmp_path / "out" / "start.html").read_text(), "lxml")
    assert (tmp_path / "out" / start.a["href"]).is_file()
    rows = dict(reversed(row.split("  ")) for row in (tmp_path / "out" / "SHA256SUMS").read_text().splitlines())
    assert {f"book/{path.relative_to(html).as_posix()}" for path in html.rglob("*") if path.is_file()} < set(rows)
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=tmp_path / "out", check=True)
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_equal_pages_give_an_equal_archive(built, tmp_path):
    for name in ("a.zip", "b.zip"):
        archive(built[0].project.html, tmp_path / name, "A book")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_one_page_holds_all_in_order_and_its_links_stay_inside(built):
    project = built[0].project
    page = BeautifulSoup(one_page(project, "A book", "https://example.org/"), "lxml")
    names = [name.replace("/", "-") for name in toc_pages(project.root / "_toc.yml")]
    assert [part["id"] for part in page.select("section.printed")] == names
    ids = [tag["id"] for tag in page.find_all(id=True)]
    assert len(ids) == len(set(ids))
    inner = [tag["href"] for tag in page.select("a[href^='#']")]
    assert "#notebooks-01_data" in inner
    assert [link for link in inner if link[1:] not in ids] == []
    assert page.select("main script, button") == []


def test_what_a_page_folds_becomes_a_link_to_it(built):
    project = built[0].project
    page = BeautifulSoup(one_page(project, "A book", "https://example.org/"), "lxml")
    assert len(page.select("details.book-provenance")) == len(project.pages())
    assert page.select("details:not([open]), details:not(.book-provenance, .sd-dropdown)") == []
    chapter = BeautifulSoup((project.html / "notebooks" / "01_data.html").read_text(), "lxml")
    folded = chapter.select("article details:not(.book-provenance, .tag_hide-input > .above-input)")
    links = [tag for tag in page.select("a") if tag.get_text().endswith(" (on the page of the book)")]
    assert len(folded) == len([link for link in links if link["href"] == "https://example.org/notebooks/01_data.html"])


def test_without_a_book_nothing_is_written(tmp_path):
    with pytest.raises(BookError, match="^There is no book in .*; `make book` builds it.$"):
        offline(Project(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.browser
@pytest.mark.slow
def test_the_command_writes_archive_pdf_and_their_sums(chromium, book):
    # The command starts a browser of its own; the fixture is there to skip where none can be started.
    done = subprocess.run(
        [sys.executable, "-m", "bookpress", "offline", "--root", str(book.root)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    folder = book.project.build / "offline"
    sums = dict(reversed(row.split("  ")) for row in (folder / "SHA256SUMS").read_text().splitlines())
    assert {path.name for path in folder.iterdir()} == {*sums, "SHA256SUMS"}
    assert sums == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sums}
    (pdf,) = folder.glob("*.pdf")
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF-")
    assert b"/StructTreeRoot" in content, "a PDF without tags cannot be read aloud in order"
