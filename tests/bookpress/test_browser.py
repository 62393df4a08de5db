"""The browser check finds what it looks for; the book's style keeps wide things inside their box."""

from __future__ import annotations

import pytest

from bookpress.browser import SCREENS, THEMES, displayed, opened, photograph, served

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGE = "<!DOCTYPE html><html><head><link rel='icon' href='data:,'></head><body>{}</body></html>"


def complaints(browser, site, name, screen, theme):
    """What the check says of a page at this screen and theme, the page's name in front."""
    found = []
    with opened(browser, site, name, screen, found.append) as page:
        found += displayed(page, theme)
    return [f"{name}: {what}" for what in found]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("<p>Fine.</p>", None),
        ("<script>console.error('lost')</script>", "page: lost"),
        ("<script>undefined.x</script>", "page: Cannot read properties of undefined"),
        ("<img src='gone.png'>", "gone.png gave 404"),
        ("<img src='http://127.0.0.1:9/a.png'>", "page: asked for http://127.0.0.1:9/a.png"),
        ("<div style='width: 2000px'>wide</div>", "pixels wider than the screen"),
        ("<span class='math'>\\(x\\)</span>", "page: MathJax did not start"),
        ("<script>document.documentElement.dataset.theme = 'dark'</script>", "page: not in the light theme"),
    ],
)
def test_the_check_finds_what_a_reader_would_suffer_from(chromium, tmp_path, body, what):
    (tmp_path / "page.html").write_text(PAGE.format(body))
    with served(tmp_path) as site:
        found = complaints(chromium, site, "page", "desktop", "light")
    assert not found if what is None else any(what in line for line in found), found


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("theme", THEMES)
def test_wide_tables_figures_formulas_and_lines_stay_in_their_box(chromium, built, screen, theme):
    html = built[0].project.html
    with served(html) as site:
        for name in ("notebooks/03_other", "book/reader"):
            assert complaints(chromium, site, name, screen, theme) == []


def test_a_wide_table_scrolls_and_a_figure_keeps_its_paper_in_the_dark(chromium, built):
    context = chromium.new_context(viewport=SCREENS["phone"], color_scheme="dark")
    page = context.new_page()
    with served(built[0].project.html) as site:
        page.goto(f"{site}/notebooks/03_other.html", wait_until="networkidle")
        scrolls = "box => box.scrollWidth > box.clientWidth && getComputedStyle(box).overflowX === 'auto'"
        assert page.locator(".cell_output .output:has(table)").evaluate(scrolls)
        look = page.locator(".cell_output img").evaluate(
            "img => [getComputedStyle(img).backgroundColor, getComputedStyle(img).filter]"
        )
        assert look == ["rgb(255, 255, 255)", "none"]
        crushed = page.locator("table.dataframe tbody td").first.evaluate("cell => cell.clientWidth")
        assert crushed > 30
    context.close()


def test_the_folder_of_pictures_is_made(chromium, tmp_path):
    (tmp_path / "page.html").write_text(PAGE.format("<p>Fine.</p>"))
    shots = tmp_path / "new" / "shots"
    with served(tmp_path) as site, opened(chromium, site, "page", "phone", print) as page:
        photograph(page, shots, "page-phone-dark")
    assert [path.name for path in shots.iterdir()] == ["page-phone-dark.png"]
