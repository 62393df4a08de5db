"""What is put right in rendered pages: icons, names, tables, images, provenance, moved pages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from bookpress.browser import OVERFLOW, served
from bookpress.finish import Icons, mend, open_figures, provenance_blocks, redirect, redirects, shrink
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

    def test_headers_of_a_table_say_what_they_head(self):
        page = soup(
            "<article><table><thead><tr><th></th><th>a</th><th colspan=2>b</th></tr></thead>"
            "<tbody><tr><th>r</th><td>1</td></tr></tbody></table></article>"
        )
        mend(page)
        corner, column, group = page.thead.tr.find_all(True)
        assert corner.name == "td"
        assert column["scope"] == "col"
        assert group["scope"] == "colgroup"
        assert page.tbody.th["scope"] == "row"

    def test_one_viewport_is_enough(self):
        page = soup('<head><meta name="viewport" content="a"><meta name="viewport" content="b"></head>')
        mend(page)
        assert [tag["content"] for tag in page.find_all("meta")] == ["a"]


class TestOpenFigures:
    def test_a_figure_opens_at_full_size_and_keeps_its_words(self):
        page = soup(
            '<article><figure><img src="../_images/a.png" alt="a rising line" width="1100" height="400">'
            "<figcaption>b</figcaption></figure></article>"
        )
        open_figures(page)
        (link,) = page.select("figure > a.figure-open")
        assert link["href"] == "../_images/a.png"
        assert link["style"] == "--natural: 1100px"
        assert link.img["alt"] == "a rising line"
        assert link.find_next_sibling("figcaption").text == "b"

    def test_an_image_outside_of_a_figure_or_without_size_stays(self):
        text = '<article><img src="a.png" width="9"/><figure><img src="b.png"/></figure></article>'
        page = soup(text)
        open_figures(page)
        assert text in str(page)

    @pytest.mark.browser
    def test_on_a_phone_it_scrolls_in_its_box_and_on_a_desktop_it_fits(self, chromium, tmp_path):
        Image.new("RGB", (1100, 400), "white").save(tmp_path / "a.png")
        (tmp_path / "book.css").write_text((ROOT / "assets" / "static" / "book.css").read_text())
        page = soup(
            '<article class="bd-article"><figure style="margin: 0"><img src="a.png" alt="a" width="1100" height="400">'
            "</figure></article>"
        )
        open_figures(page)
        (tmp_path / "page.html").write_text(f'<!DOCTYPE html><link rel="stylesheet" href="book.css">{page.article}')
        shown = chromium.new_page(viewport={"width": 390, "height": 844})
        with served(tmp_path) as site:
            shown.goto(f"{site}/page.html")
            box = "(all => [all.scrollWidth, all.clientWidth])(document.querySelector('.figure-open'))"
            inside, seen = shown.evaluate(box)
            assert inside == 660
            assert seen < 390
            assert shown.evaluate(OVERFLOW) == 0
            shown.set_viewport_size({"width": 1280, "height": 900})
            inside, seen = shown.evaluate(box)
            assert inside == seen
        shown.close()


class TestShrink:
    def test_few_colours_stay_exact(self, tmp_path):
        pixels = np.full((200, 300, 3), 255, np.uint8)
        pixels[50:60] = (0, 114, 178)
        pixels[100:160, 40:44] = (213, 94, 0)
        Image.fromarray(pixels).save(tmp_path / "a.png", compress_level=0)
        assert shrink(tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as small:
            assert small.mode == "P"
            np.testing.assert_array_equal(np.asarray(small.convert("RGB")), pixels)

    def test_what_a_palette_would_spoil_stays(self, tmp_path):
        noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "a.png")
        before = (tmp_path / "a.png").read_bytes()
        assert not shrink(tmp_path / "a.png")
        assert (tmp_path / "a.png").read_bytes() == before
        assert [path.name for path in tmp_path.iterdir()] == ["a.png"]

    def test_a_transparent_ground_stays_transparent(self, tmp_path):
        Image.new("RGBA", (200, 200), (0, 0, 0, 0)).save(tmp_path / "a.png", compress_level=0)
        assert shrink(tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as small:
            assert small.convert("RGBA").getpixel((5, 5))[3] == 0


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


def test_a_figure_says_its_size(built):
    page = soup(built[0].page("notebooks/03_other"))
    (figure,) = page.select("article .cell_output img")
    with Image.open(built[0].project.html / "_images" / Path(figure["src"]).name) as image:
        assert (figure["width"], figure["height"]) == tuple(map(str, image.size))


def test_the_built_pages_carry_no_library_of_icons(built):
    html = built[0].project.html
    assert list((html / "_static").rglob("fontawesome.js")) == []
    assert list((html / "_static").rglob("*.map")) == []
    page = soup(built[0].page("notebooks/01_data"))
    assert len(page.select("svg.book-icon path[d]")) > 5
    assert json.dumps(str(page)).count("fontawesome.js") == 0
