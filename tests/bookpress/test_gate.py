"""Each rule of the gate: a page that breaks it is found, and the sound page next to it is not."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from bookpress.__main__ import main
from bookpress.finding import Finding
from bookpress.gate import LIMIT_KB, check, css_urls, is_foreign, weights
from bookpress.project import BookError

TOC = "format: jb-book\nroot: book/intro\nchapters:\n  - file: notebooks/01_data\n"
FRAME = """<!DOCTYPE html><html lang="en">
<head>
<link rel="stylesheet" href="../_static/book.css">
<link rel="canonical" href="https://example.org/book/intro.html">
<script src="../_static/site.js"></script>
</head>
<body><header><a href="#main">Skip</a></header><main id="main"><article>{body}</article></main></body>
</html>"""
SOUND = """<h1 id="title">Data</h1>
<p>See <a href="../book/intro.html#title">the start</a>, <a href="#title">above</a>
and <a href="https://example.org">a site</a>. The rate was <span class="pasted-text">0.83</span>.</p>
<img src="../_images/one.png" alt="Bars of accuracy for each of the four subclasses.">
<pre>{ref}`x` and Traceback in an example</pre><p>Write <code>{ref}`x`</code> for it.</p>"""
IMAGE = '<img src="../_images/one.png" {}>'
ALT = "Bars of accuracy for each subclass."


@pytest.fixture
def html(tmp_path: Path) -> Path:
    """A sound book of two pages."""
    folder = tmp_path / "html"
    for name, text in {
        "book/intro.html": FRAME.format(body='<h1 id="title">Start</h1>'),
        "notebooks/01_data.html": FRAME.format(body=SOUND),
        "index.html": '<meta http-equiv="Refresh" content="0; url=book/intro.html">',
        "genindex.html": FRAME.format(body="<h1>Index</h1>").replace("../", ""),
        "_static/book.css": "body { background: url('paper.svg') }",
        "_static/site.js": "1",
        "_static/webpage.html": "<p>not a page of the book</p>",
        "_images/one.png": "png",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (tmp_path / "_toc.yml").write_text(TOC)
    return folder


def findings(html: Path) -> list[str]:
    return [str(finding) for finding in check(html, html.parent / "_toc.yml")]


def add(html: Path, markup: str) -> None:
    page = html / "notebooks" / "01_data.html"
    page.write_text(page.read_text().replace("</article>", f"{markup}</article>"))


def test_a_sound_book_passes(html):
    assert findings(html) == []


@pytest.mark.parametrize(
    ("markup", "what"),
    [
        ('<div class="output traceback"><pre>NameError</pre></div>', "shows the traceback of a failed cell"),
        ('<div class="cell_output"><pre>Traceback (most recent call last)</pre></div>', "prints a traceback"),
        ('<p class="system-message">Unknown</p>', "shows a message of the renderer"),
        ("<p>see {ref}`there`</p>", "holds a role that was not rendered ('{ref}`there`')"),
        ("<p>see {reff}<code>there</code></p>", "holds a role that was not rendered"),
        ("<p>{glue:text}`a:.2f`</p>", "holds a role that was not rendered"),
        ("<p>```{note} Hear</p>", "holds a directive that was not rendered"),
        ("<p>:::{note}</p>", "holds a directive that was not rendered"),
        ("<p>text\n:::</p>", "holds a colon fence that was not rendered"),
        ("<p>{{ version }}</p>", "holds a substitution that was not filled in"),
        ('<p><span class="pasted-text">nan</span></p>', "glues 'nan' into the text"),
        ('<p><span class="pasted-text"> </span></p>', "glues 'nothing' into the text"),
        ('<img src="../_images/one.png">', "image ../_images/one.png has no alt text"),
        ('<img src="../_images/one.png" alt="  ">', "image ../_images/one.png has no alt text"),
        ('<img src="../_images/one.png" alt="../_images/one.png">', "has a file name as alt text"),
        ('<img src="../_images/one.png" alt="_build/executed/notebooks/x">', "has a file name as alt text"),
        ('<img src="../_images/one.png" alt="accuracy-of-the-forest.PNG">', "has a file name as alt text"),
        ('<img src="../_images/one.png" alt="Nineteen characters">', "has only 'Nineteen characters' as"),
        (f'<img src="//x.org/a.png" alt="{ALT}">', "asks another host for //x.org/a.png"),
        (IMAGE.format(f'srcset="https://x.org/b.png 2x" alt="{ALT}"'),
         "asks another host for https://x.org/b.png"),
        ('<script src="https://x.org/a.js"></script>', "asks another host for https://x.org/a.js"),
        ('<link rel="stylesheet" href="https://x.org/a.css">', "asks another host for https://x.org/a.css"),
        ('<link rel="preconnect" href="https://x.org">', "asks another host for https://x.org"),
        ('<iframe src="https://x.org/v"></iframe>', "asks another host for https://x.org/v"),
        ('<p style="background: url(https://x.org/p.png)">a</p>', "asks another host for https://x.org/p.png"),
        ("<style>@import 'https://x.org/f.css';</style>", "asks another host for https://x.org/f.css"),
        ('<script>const U = "https://unpkg.com/a.js"</script>', "asks another host for https://unpkg"),
        ('<a href="../book/gone.html">x</a>', "links to ../book/gone.html, and there is no such file"),
        ('<a href="../book/intro.html#gone">x</a>', "links to ../book/intro.html#gone, and that page has no"),
        ('<a href="#gone">x</a>', "links to #gone, and that page has no such anchor"),
        ('<a href="/book/intro.html">x</a>', "links to /book/intro.html, which leaves the book"),
        (f'<img src="../_images/two.png" alt="{ALT}">', "there is no such file"),
    ],
)  # fmt: skip
def test_a_broken_page_is_found_once_and_named(html, markup, what):
    add(html, markup)
    (found,) = findings(html)
    assert found.startswith("notebooks/01_data.html: ")
    assert what in found


def test_a_style_sheet_that_asks_another_host_is_found(html):
    (html / "_static" / "book.css").write_text("@font-face { src: url(https://fonts.example.org/a.woff2) }")
    assert findings(html) == [
        "_static/book.css: asks another host for https://fonts.example.org/a.woff2; "
        "put the file into assets/static or do without."
    ]


def test_pages_are_those_of_the_table_of_contents(html):
    (html / "notebooks" / "01_data.html").rename(html / "notebooks" / "99_stray.html")
    assert findings(html) == [
        "notebooks/01_data.html: is in _toc.yml and was not rendered; see the build's messages.",
        "notebooks/99_stray.html: is not in _toc.yml; add it there or remove its source.",
    ]


def test_a_link_to_a_folder_means_its_index(html):
    add(html, '<a href="../">home</a>')
    assert findings(html) == []


def test_no_book_is_an_error_of_its_own(tmp_path):
    with pytest.raises(BookError, match=r"^There is no page in .*; `make book` renders the book.$"):
        check(tmp_path, tmp_path / "_toc.yml")


def test_the_command_prints_findings_weights_and_a_count(html, capsys):
    words = ["check-html", str(html), "--root", str(html.parent)]
    assert main(words) == 0
    assert capsys.readouterr().out.endswith("0 findings\n")
    add(html, "<img src='../_images/one.png'>")
    assert main(words) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith("notebooks/01_data.html: image ../_images/one.png has no alt text; ")
    assert lines[-1] == "1 findings"
    assert main([*words, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [row["page"] for row in told["findings"]] == ["notebooks/01_data.html"]
    assert told["reading"]["notebooks/01_data.html"]["words"] > 10


def test_weight_counts_the_page_and_what_it_loads_once_as_it_is_sent(html):
    add(html, '<img src="../_images/one.png" alt="Bars of accuracy for each subclass.">')
    text = ("notebooks/01_data.html", "_static/book.css", "_static/site.js")
    size = sum(len(gzip.compress((html / name).read_bytes(), 6)) for name in text)
    size += (html / "_images" / "one.png").stat().st_size
    assert weights(html, html.parent / "_toc.yml")["notebooks/01_data.html"] == size / 1000


def test_a_page_over_the_limit_is_found_with_its_weight(html):
    (html / "_images" / "one.png").write_bytes(bytes(int(1000 * LIMIT_KB)))
    (found,) = findings(html)
    assert re.fullmatch(r"notebooks/01_data.html: weighs 1,50\d kB on a first visit, over the limit of 1,500 kB; "
                        "make its figures smaller or fewer.", found)  # fmt: skip


def test_a_page_that_points_on_is_no_stray_but_must_arrive(html):
    (html / "old.html").write_text('<meta http-equiv="refresh" content="0; url=book/intro.html">')
    assert findings(html) == []
    (html / "old.html").write_text('<meta http-equiv="refresh" content="0; url=book/gone.html">')
    assert findings(html) == ["old.html: links to book/gone.html, and there is no such file; correct the link."]


def test_addresses_in_style_sheets():
    assert css_urls("a{b:url( \"x.png\" )} @import 'y.css'; c{d:url(data:image/png;base64,AA)}") == [
        "x.png", "y.css", "data:image/png;base64,AA",
    ]  # fmt: skip


@pytest.mark.parametrize("url", ["https://x.org/a", "//x.org/a", " http://x.org"])
def test_foreign(url):
    assert is_foreign(url)


@pytest.mark.parametrize("url", ["a.js", "../a.js", "data:image/png;base64,AA", "#a", "?q"])
def test_not_foreign(url):
    assert not is_foreign(url)


def test_a_finding_reads_as_one_line():
    assert str(Finding("a.html", "is wrong.")) == "a.html: is wrong."
