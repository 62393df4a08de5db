"""Figures on a page: slim, of known size, opened larger, readable on white and on dark ground."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from bookpress.browser import OVERFLOW, served
from bookpress.figure import least_text_px, place, size, slim

ROOT = Path(__file__).parents[2]


def soup(text: str) -> BeautifulSoup:
    return BeautifulSoup(text, "lxml")


@pytest.fixture
def drawing(tmp_path):
    """A figure of 6 by 2 inches as a notebook keeps it: text of 9 and 14 points, a black area at the left."""

    def drawn(**style: object) -> Path:
        with plt.rc_context({"svg.hashsalt": "x", "font.size": 9, **style}):
            figure, ax = plt.subplots(figsize=(6, 2), facecolor="white")
            ax.set_title("A message", fontsize=14)
            ax.axvspan(0, 0.5, color="black", linewidth=0)
            ax.plot(np.linspace(0, 1, 200), np.random.default_rng(0).random(200), color="#0072B2")
            figure.savefig(tmp_path / "a.svg")
            plt.close(figure)
        return tmp_path / "a.svg"

    return drawn


def pixels(browser, site: str, name: str) -> np.ndarray:
    page = browser.new_page(viewport={"width": 576, "height": 192})
    page.goto(f"{site}/{name}")
    shown = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"), dtype=int)
    page.close()
    return shown


class TestVectors:
    def test_size_is_that_of_the_drawing_on_the_page(self, drawing):
        assert size(drawing()) == (576.0, 192.0)

    @pytest.mark.parametrize("kind", ["path", "none"])
    def test_the_smallest_text_is_found_in_outlines_and_in_letters(self, drawing, kind):
        assert least_text_px(drawing(**{"svg.fonttype": kind})) == pytest.approx(9 * 96 / 72)

    def test_a_drawing_without_text_has_none(self, tmp_path):
        (tmp_path / "a.svg").write_text('<svg width="10" height="10"><path d="M 0 0"/></svg>')
        assert least_text_px(tmp_path / "a.svg") is None
        assert size(tmp_path / "a.svg") == (10.0, 10.0)

    def test_slimming_removes_metadata_and_ground_once(self, drawing):
        path = drawing()
        before = path.read_text()
        assert slim(path)
        after = path.read_text()
        assert len(after) < 0.9 * len(before)
        assert "<metadata>" not in after
        assert before.count("fill: #ffffff") == 2
        assert "fill: #ffffff" not in after
        assert not slim(path)

    def test_a_white_bar_is_no_ground(self, tmp_path):
        figure, ax = plt.subplots()
        ax.bar([0, 1], [1, 2], color="white", edgecolor="black")
        figure.savefig(tmp_path / "a.svg")
        plt.close(figure)
        slim(tmp_path / "a.svg")
        assert (tmp_path / "a.svg").read_text().count("fill: #ffffff") == 2

    @pytest.mark.browser
    def test_slimming_cannot_be_seen(self, chromium, drawing, tmp_path):
        path = drawing()
        for name in ("before", "after"):
            slim(path) if name == "after" else None
            (tmp_path / f"{name}.html").write_text(
                f'<body style="margin: 0"><img src="{name}.svg" width="576" height="192">'
            )
            (tmp_path / f"{name}.svg").write_text(path.read_text())
        with served(tmp_path) as site:
            moved = np.abs(pixels(chromium, site, "before.html") - pixels(chromium, site, "after.html"))
        assert np.quantile(moved, 0.999) < 24

    @pytest.mark.browser
    def test_in_the_dark_light_and_dark_change_places_and_hues_stay(self, chromium, tmp_path):
        colours = {"black": "#000000", "blue": "#0072B2", "orange": "#D55E00", "green": "#009E73"}
        bars = "".join(f'<rect x="{i}" width="1" height="1" fill="{c}"/>' for i, c in enumerate(colours.values()))
        (tmp_path / "a.svg").write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="100" viewBox="0 0 4 1">{bars}</svg>'
        )
        (tmp_path / "book.css").write_text((ROOT / "assets" / "static" / "book.css").read_text())
        (tmp_path / "page.html").write_text(
            '<!DOCTYPE html><html data-theme="dark"><link rel="stylesheet" href="book.css">'
            '<body class="bd-content" style="margin: 0; background: #121212"><article class="bd-article">'
            '<figure style="margin: 0"><img src="a.svg" width="400" height="100"></figure></article>'
        )
        with served(tmp_path) as site:
            shown = pixels(chromium, site, "page.html")
        seen = {name: shown[50, 50 + 100 * i] for i, name in enumerate(colours)}
        assert seen["black"].min() > 240
        assert seen["blue"].argmax() == 2
        assert seen["orange"].argmax() == 0
        assert seen["green"].argmax() == 1
        ground = luminance(np.array([0x12] * 3))
        assert all((luminance(colour) + 0.05) / (ground + 0.05) >= 3 for colour in seen.values())


def luminance(colour: np.ndarray) -> float:
    """Relative luminance of an sRGB colour (0 to 255), as WCAG defines it."""
    share = np.asarray(colour) / 255
    return float(np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])


class TestPlace:
    @pytest.fixture
    def placed(self, tmp_path):
        Image.new("RGB", (1100, 400), "white").save(tmp_path / "a.png")

        def placed(text: str) -> BeautifulSoup:
            page = soup(f"<article class='bd-article'>{text}</article>")
            place(page, tmp_path / "page.html")
            return page

        return placed

    def test_a_figure_opens_at_full_size_and_keeps_its_words(self, placed):
        page = placed('<figure><img src="a.png" alt="a rising line"><figcaption>b</figcaption></figure>')
        (link,) = page.select("figure > a.figure-open")
        assert link["href"] == "a.png"
        assert link["style"] == "--natural: 1100px"
        assert (link.img["alt"], link.img["width"], link.img["height"]) == ("a rising line", "1100", "400")
        assert link.find_next_sibling("figcaption").text == "b"

    def test_a_drawing_tells_the_size_of_its_text(self, placed, drawing):
        drawing()
        (image,) = placed('<figure><img src="a.svg" alt="a rising line"></figure>').select("a.figure-open > img")
        assert (image["width"], image["height"], image["data-text"]) == ("576", "192", "12.00")

    def test_an_image_outside_of_a_figure_is_not_opened_and_one_that_is_missing_stays(self, placed):
        page = placed('<img src="a.png"><figure><img src="b.png"></figure>')
        assert not page.select("a")
        assert "width" not in page.select_one("figure img").attrs

    @pytest.mark.browser
    def test_on_a_phone_it_scrolls_in_its_box_and_on_a_desktop_it_fits(self, chromium, placed, tmp_path):
        (tmp_path / "book.css").write_text((ROOT / "assets" / "static" / "book.css").read_text())
        page = placed('<figure style="margin: 0"><img src="a.png" alt="a"></figure>')
        (tmp_path / "page.html").write_text(f'<!DOCTYPE html><link rel="stylesheet" href="book.css">{page.article}')
        shown = chromium.new_page(viewport={"width": 390, "height": 844})
        with served(tmp_path) as site:
            shown.goto(f"{site}/page.html")
            box = "(all => [all.scrollWidth, all.clientWidth])(document.querySelector('.figure-open'))"
            inside, seen = shown.evaluate(box)
            assert inside == 880
            assert seen < 390
            assert shown.evaluate(OVERFLOW) == 0
            shown.set_viewport_size({"width": 1280, "height": 900})
            inside, seen = shown.evaluate(box)
            assert inside == seen
        shown.close()

    def test_a_built_figure_says_its_size(self, built):
        (figure,) = soup(built[0].page("notebooks/03_other")).select("article .cell_output img")
        with Image.open(built[0].project.html / "_images" / Path(figure["src"]).name) as image:
            assert (figure["width"], figure["height"]) == tuple(map(str, image.size))


class TestBitmaps:
    def test_few_colours_stay_exact(self, tmp_path):
        pixels = np.full((200, 300, 3), 255, np.uint8)
        pixels[50:60] = (0, 114, 178)
        pixels[100:160, 40:44] = (213, 94, 0)
        Image.fromarray(pixels).save(tmp_path / "a.png", compress_level=0)
        assert slim(tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as small:
            assert small.mode == "P"
            np.testing.assert_array_equal(np.asarray(small.convert("RGB")), pixels)

    def test_what_a_palette_would_spoil_stays(self, tmp_path):
        noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "a.png")
        before = (tmp_path / "a.png").read_bytes()
        assert not slim(tmp_path / "a.png")
        assert (tmp_path / "a.png").read_bytes() == before
        assert [path.name for path in tmp_path.iterdir()] == ["a.png"]

    def test_a_transparent_ground_stays_transparent(self, tmp_path):
        Image.new("RGBA", (200, 200), (0, 0, 0, 0)).save(tmp_path / "a.png", compress_level=0)
        assert slim(tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as small:
            assert small.convert("RGBA").getpixel((5, 5))[3] == 0
