"""What is put right in rendered pages: icons, names, tables, images, provenance, moved pages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from bookpress.browser import served
from bookpress.finish import (
    INSIDE,
    Icons,
    description,
    list_contents,
    mend,
    provenance_blocks,
    redirect,
    redirects,
    say_time,
    search_words,
    without_formulas,
)  # fmt: skip
from bookpress.project import BookError, Project, write_json

ROOT = Path(__file__).parents[2]
LIBRARY = (
    '{"rocket":[1,2,[],"f1","BRAND"]};t("fa-brands",p)'
    '{"sun":[3,4,[],"f2","EMPTY"]};t("fa-regular",p)'
    '{sun:[5,6,[9728,"s"],"f3","M1"],"arrow-up":[7,8,[],"f4","M2"],"long-arrow-up":[9,9,[],"f5","M3"]};t("fa-solid",p)'
)


def soup(text: str) -> BeautifulSoup:
    return BeautifulSoup(text, "lxml")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "_toc.yml").write_text("root: book/intro\nchapters: [{file: notebooks/01_data}]\n")
    (tmp_path / "_config.yml").write_text("repository: {url: https://github.com/owner/name}\n")
    (tmp_path / "assets").mkdir()
    return Project(tmp_path)


class TestIcons:
    @pytest.fixture
    def icons(self, tmp_path):
        (tmp_path / "fontawesome.js").write_text(LIBRARY)
        return Icons(tmp_path / "fontawesome.js")

    def test_an_icon_is_looked_up_in_its_own_style_by_its_whole_name(self, icons):
        assert icons.outline("fa-solid", "sun") == ("5", "6", "M1")
        assert icons.outline("fa-solid", "arrow-up") == ("7", "8", "M2")
        assert icons.outline("fa-brands", "rocket") == ("1", "2", "BRAND")
        assert icons.outline("fa-solid", "rocket") is None

    def test_the_outline_takes_the_place_of_the_name_and_the_script_goes(self, icons):
        page = soup('<script src="x/fontawesome.js"></script><i class="theme fa-solid fa-sun fa-lg" data-mode="light">')
        icons.draw(page)
        assert page.find("script") is None
        svg = page.find("svg")
        assert svg["viewbox" if svg.has_attr("viewbox") else "viewBox"] == "0 0 5 6"
        assert {"theme", "fa-lg", "book-icon"} <= set(svg["class"])
        assert svg["data-mode"] == "light"
        assert svg["aria-hidden"] == "true"
        assert svg.path["d"] == "M1"

    def test_a_page_without_the_library_stays(self, icons):
        text = '<i class="fa-solid fa-nothing"></i>'
        page = soup(text)
        icons.draw(page)
        assert text in str(page)

    def test_an_unknown_icon_is_told(self, icons):
        page = soup('<script src="fontawesome.js"></script><i class="fas fa-moon"></i>')
        with pytest.raises(BookError, match="^The theme's library has no icon 'fas fa-moon'; correct its name.$"):
            icons.draw(page)


class TestMend:
    def test_what_is_seen_is_what_is_read_aloud(self):
        page = soup('<button aria-label="Search">Search Ctrl+K</button><button title="Menu"><svg></svg></button>')
        mend(page)
        seen, unseen = page.find_all("button")
        assert "aria-label" not in seen.attrs
        assert unseen["aria-label"] == "Menu"

    def test_one_viewport_is_enough(self):
        page = soup('<head><meta name="viewport" content="a"><meta name="viewport" content="b"></head>')
        mend(page)
        assert [tag["content"] for tag in page.find_all("meta")] == ["a"]


class TestProvenance:
    def test_a_chapter_tells_its_run_and_a_page_does_not(self, project):
        run = {"notebook": "01_data", "commit": "0123456789", "dirty": False, "finished": "2026-01-02 03:04 UTC",
               "wall_s": 12.4, "peak_mb": 1234, "cohort": "published", "quick": True, "seed": 7}  # fmt: skip
        write_json(project.runs / "01_data.json", run)
        blocks = provenance_blocks(project)
        chapter = soup(blocks["notebooks/01_data"])
        told = dict(zip((t.text for t in chapter("dt")), (t.text for t in chapter("dd")), strict=True))
        assert told["Run from commit"] == "0123456"
        assert told["Run took"] == "12 s, at most 1,234 MB"
        assert told["Parameters"] == "cohort published, quick, seed 7"
        assert "python" in told["Versions"]
        assert "Run took" not in blocks["book/intro"]
        assert "Rendered from commit" in blocks["book/intro"]

    def test_it_stands_once_at_the_end_of_each_page(self, built):
        for name in built[0].project.pages():
            page = soup(built[0].page(name))
            (block,) = page.select("article > .book-provenance")
            assert not block.has_attr("open")
            assert block.find_next_sibling() is None


class TestRedirects:
    def write(self, project, text):
        (project.root / "assets" / "redirects.toml").write_text(text)

    def test_none_without_a_table(self, project):
        assert redirects(project) == {}

    def test_a_moved_page_sends_the_reader_on(self, project, tmp_path):
        self.write(project, '[moved]\n"old/deep/a.html" = "notebooks/01_data.html"\n')
        redirect(project, tmp_path / "html")
        page = soup((tmp_path / "html" / "old" / "deep" / "a.html").read_text())
        assert page.select_one("meta[http-equiv=refresh]")["content"] == "0; url=../../notebooks/01_data.html"
        assert page.select_one("link[rel=canonical]")["href"] == "https://owner.github.io/name/notebooks/01_data.html"
        assert page.a["href"] == "../../notebooks/01_data.html"

    @pytest.mark.parametrize(
        ("entry", "what"),
        [
            ('"a.html" = "gone.html"', "moves to 'gone.html', which is not a page"),
            ('"book/intro.html" = "notebooks/01_data.html"', "is a page of _toc.yml and cannot have moved"),
            ('"/a.html" = "book/intro.html"', "is not a page; write it like"),
            ('"../a.html" = "book/intro.html"', "is not a page; write it like"),
            ('"a" = "book/intro.html"', "is not a page; write it like"),
            ("a b c", "is not TOML"),
        ],
    )
    def test_a_wrong_entry_is_told(self, project, entry, what):
        self.write(project, f"[moved]\n{entry}\n")
        with pytest.raises(BookError, match=what):
            redirects(project)

    def test_the_book_has_no_wrong_entry(self, root):
        assert redirects(Project(root))


def test_the_built_pages_carry_no_library_of_icons(built):
    html = built[0].project.html
    assert list((html / "_static").rglob("fontawesome.js")) == []
    assert list((html / "_static").rglob("*.map")) == []
    page = soup(built[0].page("notebooks/01_data"))
    assert len(page.select("svg.book-icon path[d]")) > 5
    assert json.dumps(str(page)).count("fontawesome.js") == 0


class TestAroundTheText:
    @pytest.mark.parametrize(
        ("body", "told"),
        [
            ("<p>Short.</p><p>A sentence that says what the page is about. Another.</p>",
             "A sentence that says what the page is about. Another."),
            ("<div class='admonition'><p>A banner that stands above the text of the page.</p></div>"
             "<p>What the author wrote, of some length too.</p>", "What the author wrote, of some length too."),
            (f"<p>One whole sentence of the text. {'Word ' * 60}.</p>", "One whole sentence of the text."),
            (f"<p>{'Word ' * 60}.</p>", f"{'Word ' * 39}Word …"),
            ("<p>No.</p>", ""),
        ],
    )  # fmt: skip
    def test_a_page_is_described_by_its_first_whole_sentences(self, body, told):
        assert description(soup(f"<article>{body}</article>").article) == told

    def test_every_page_has_a_description_and_a_preview_of_its_own(self, built):
        project = built[0].project
        for name in project.pages():
            head = soup(built[0].page(name)).head
            told = {tag["property"]: tag["content"] for tag in head.select("meta[property]")}
            assert told["og:url"] == f"{project.home}{name}.html"
            assert told["og:title"]
            assert len(head.select("meta[name=description]")) == 1

    def test_measured_times_replace_those_of_the_author(self):
        line = "<ul><li><strong>Time</strong> an hour.</li></ul>"
        page = soup(f"<article><h1>A</h1>{line}<p>{'word ' * 399}</p></article>")
        say_time(page, page.article, {"wall_s": 12.4, "quick": False})
        assert page.li.text == "Time 3 minutes to read, 12 s to run."
        bare = soup("<article><h1>A</h1><p>Words.</p></article>")
        say_time(bare, bare.article, {"wall_s": 170.0, "quick": True})
        assert bare.h1.find_next_sibling("p").text == "1 minute to read, 3 minutes to run (a quick run)."

    def test_contents_lead_to_the_sections_and_the_take_away(self):
        part = '<section id="s{0}"><h2>Part {0}<a class="headerlink">#</a></h2></section>'
        sections = part.format(0) + part.format(1)
        take = '<div class="admonition"><p class="admonition-title">Take away</p></div>'
        side = "<nav class='page-toc'><ul><li>Part 0</li></ul></nav>"
        page = soup(f"<article><h1>A</h1>{sections}{take}</article>{side}")
        list_contents(page, page.article)
        links = page.select("h1 + details.book-contents a")
        assert [(tag["href"], tag.text) for tag in links] == [
            ("#s0", "Part 0"), ("#s1", "Part 1"), ("#take-away", "Take away")]  # fmt: skip
        assert page.select_one(".admonition")["id"] == "take-away"
        assert [tag.get_text() for tag in page.select("nav li")] == ["Part 0", "Take away"]
        short = soup(f"<article><h1>A</h1>{sections}</article>")
        list_contents(short, short.article)
        assert not short.select("details")

    def test_only_a_page_with_a_formula_asks_for_a_typesetter(self, built):
        scripts = '<script>window.MathJax = {}</script><script src="mathjax/tex.js"></script>'
        page = soup(f'{scripts}<span class="math">x</span>')
        without_formulas(page)
        assert len(page("script")) == 2
        page = soup(f"{scripts}<script>other()</script>")
        without_formulas(page)
        assert [tag.text for tag in page("script")] == ["other()"]
        for name, wanted in (("book/reader", True), ("notebooks/01_data", False)):
            assert bool(soup(built[0].page(name)).select("script[src*=mathjax]")) == wanted

    def test_search_finds_what_begins_like_the_word(self, built, tmp_path):
        (tmp_path / "searchtools.js").write_text("changed")
        with pytest.raises(BookError, match="^searchtools.js of the renderer has changed"):
            search_words(tmp_path / "searchtools.js")
        assert INSIDE not in (built[0].project.html / "_static" / "searchtools.js").read_text()

    @pytest.mark.browser
    def test_a_word_inside_another_is_not_found(self, chromium, built):
        page = chromium.new_page()
        with served(built[0].project.html) as site:
            for word, found in (("wor", True), ("ords", False)):  # of "Some words."
                page.goto(f"{site}/search.html?q={word}", wait_until="networkidle")
                said = "document.querySelector('.search-summary')?.textContent ?? ''"
                page.wait_for_function(f"/found|did not match/.test({said})")
                assert (page.locator("#search-results li a[href*='01_data']").count() > 0) == found
        page.close()

    @pytest.mark.browser
    def test_what_is_folded_is_open_and_light_on_paper_only(self, chromium, built):
        page = chromium.new_page(color_scheme="dark")
        with served(built[0].project.html) as site:
            page.goto(f"{site}/notebooks/03_other.html", wait_until="networkidle")
            folds = "document.querySelectorAll('article details:not([open])').length"
            state = f"[{folds}, document.documentElement.dataset.theme]"
            before = page.evaluate(state)
            assert before[0] > 0
            assert page.evaluate(f"(dispatchEvent(new Event('beforeprint')), {state})") == [0, "light"]
            assert page.evaluate(f"(dispatchEvent(new Event('afterprint')), {state})") == before
            page.emulate_media(media="print")
            boxes = "[...document.querySelectorAll('article pre')]"
            assert page.evaluate(f"{boxes}.filter(box => box.scrollWidth > box.clientWidth).length") == 0
        page.close()
