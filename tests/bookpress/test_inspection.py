"""The inspection passes a sound page and names what each kind of reader would stumble over."""

from __future__ import annotations

from pathlib import Path

import pytest

from bookpress.__main__ import main
from bookpress.browser import served
from bookpress.inspection import inspect
from bookpress.project import Project

FRAME = """<!DOCTYPE html><html lang="en"><head><title>A page</title><link rel="icon" href="data:,">
<style>{css} :focus {{ outline: 3px solid #00f; }}</style></head>
<body><header><div id="pst-skip-link"><a href="#main-content">Skip to main content</a></div></header>
<main id="main-content"><article><h1>A page</h1>{body}</article></main></body></html>"""
QUIZ = """<form><fieldset><legend>Which?</legend>
<label><input type="radio" name="q" value="a"> This</label> <label><input type="radio" name="q" value="b"> That</label>
<p aria-live="polite"></p></fieldset></form>
<script>document.querySelector("form").addEventListener("change", event => {{
  document.querySelector("[aria-live]").textContent = {answer}; }});</script>"""


@pytest.fixture
def verdict(chromium, tmp_path: Path):
    """The verdict on one page with this body and style."""

    def judged(body: str, css: str = ""):
        (tmp_path / "_toc.yml").write_text("root: page\n")
        html = tmp_path / "_build" / "html"
        html.mkdir(parents=True, exist_ok=True)
        for name in ("page", "404", "genindex", "search", "index"):
            (html / f"{name}.html").write_text(FRAME.format(body="", css=""))
        (html / "page.html").write_text(FRAME.format(body=body, css=css))
        project = Project(tmp_path)
        with served(html) as site:
            return next(inspect(chromium, site, project))

    return judged


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "css", "aspect", "what"),
    [
        ("<p>Fine.</p>", "", None, ""),
        (QUIZ.format(answer="'Right.'"), "", None, ""),
        (QUIZ.format(answer="''"), "", "keyboard", "the quiz gives no answer to the keyboard"),
        ("<p>Pale.</p>", "p { color: #ccc }", "axe", "color-contrast (serious)"),
        ("<p>Pale.</p>", "@media (prefers-color-scheme: dark) { p { color: #ccc } }", "axe", "color-contrast"),
        ("<p>Pale.</p>", "@media (max-width: 500px) { p { color: #ccc } }", "axe", "color-contrast"),
        ("<table><thead><tr><th></th></tr></thead><tr><td>1</td></tr></table>", "", "axe", "empty-table-header"),
        ("<a href='#main-content' style='outline: none'>x</a>", "", "keyboard", "the focus cannot be seen on a"),
        ("<div style='width: 600px'>wide</div>", "", "load", "pixels wider than the screen (phone"),
        ("<script>undefined.x</script>", "", "load", "Cannot read properties of undefined"),
        ("<a href='gone.html'>x</a>", "", "links", "links to gone.html, and there is no such file"),
    ],
)
def test_each_reader_is_heard(verdict, body, css, aspect, what):
    found = verdict(body, css).findings
    assert {finding.aspect for finding in found} == {aspect} - {None}
    if aspect:
        assert any(what in str(finding) for finding in found), found


@pytest.mark.browser
def test_what_is_cut_on_a_desktop_is_told_with_the_length_of_the_page(verdict):
    code = '<div class="cell"><details><div class="cell_input"><pre>{}</pre></div></details></div>'
    wide = "<table><tr><th>a name</th><th>another</th></tr><tr><td>{}</td></tr></table>"
    drawing = '<img alt="{0} letters." width="{1}" height="9" data-text="12" src="data:image/svg+xml,{2}">'
    picture = "<svg xmlns='http://www.w3.org/2000/svg' width='800' height='9'/>"
    body = (
        code.format("short\n" + "x" * 300 + "\n" + "y" * 40) + code.format("short")
        + f'<div class="box">{wide.format("z" * 400)}</div><div class="box">{wide.format("z")}</div>'
        + drawing.format("Large", 400, picture) + drawing.format("Small", 800, picture)
        + '<div style="height: 1800px"></div><section id="exercises" style="height: 900px"></section>'
    )
    css = (
        "article { width: 800px } pre { overflow-x: auto; font: 14px monospace } .box { overflow-x: auto }"
        "img { width: 400px; display: block }"
    )
    seen = verdict(body, css).reading
    assert seen.cut_code == ("x" * 300,)
    assert seen.cut_tables == ("a name, another",)
    assert seen.small_figures == ("Small letters.",)
    assert 2 < seen.screens < 2.5
    assert f"{seen.screens:.1f} screens, 1 code lines cut, 1 tables cut, 1 figures with small text" in str(seen)


def test_without_a_book_the_command_says_so(tmp_path, capsys):
    assert main(["check-book", "--root", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("There is no book in ")
