"""The last touches to rendered pages: what the theme leaves heavy, unnamed or unsaid is put right here."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag

from bookpress.figure import place, slim
from bookpress.project import BookError, Project, write_text
from bookpress.provenance import commit_words, data_fingerprint, revision, run_records, versions
from bookpress.reading import of_page
from bookpress.table import tidy
from bookpress.template import fill

ICONS = "_static/scripts/fontawesome.js"
SEARCH = "_static/searchtools.js"
INSIDE = "const escapedWord = _escapeRegExp(word);"
#: Characters of a description, and how many sections make a list of them worth its place.
DESCRIBED, LISTED = 200, 3
STYLES = {"fa-solid": "fa-solid", "fas": "fa-solid", "fa-brands": "fa-brands", "fab": "fa-brands"}


def finish(project: Project, folder: Path) -> None:
    """Change the rendered book at ``folder`` in place.

    Icons become part of the page, so that no script of 1.5 MB has to bring them; buttons, tables and landmarks
    get what a screen reader needs; figures are made slim and open larger; each page says what it is about, how long
    it takes and how it was made, and asks for a typesetter of formulas only if it has some; moved pages get a pointer.
    """
    for path in (folder / "_images").glob("*.[ps][nv]g"):
        slim(path)
    icons = Icons(folder / ICONS)
    blocks = provenance_blocks(project)
    runs = {f"notebooks/{run['notebook']}": run for run in run_records(project, project.chapters())}
    preview = _preview(project, folder)
    for path in sorted(folder.rglob("*.html")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name.startswith("_static/"):
            continue
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "lxml")
        icons.draw(page)
        mend(page)
        tidy(page)
        place(page, path)
        without_formulas(page)
        if name in blocks and (article := page.select_one("article.bd-article")):
            describe(page, article, project.home + f"{name}.html", preview)
            if name in runs:
                say_time(page, article, runs[name])
            list_contents(page, article)
            article.append(BeautifulSoup(blocks[name], "html.parser"))
        write_text(path, str(page))
    for path in [*(folder / "_static").rglob("*.map"), folder / ICONS]:
        path.unlink(missing_ok=True)
    search_words(folder / SEARCH)
    redirect(project, folder)


class Icons:
    """The theme's icon library, from which each page takes the few outlines that it shows."""

    def __init__(self, script: Path):
        text = script.read_text(encoding="utf-8") if script.is_file() else ""
        # Three runs of outlines, each closed by the name of its style.
        ends = [(name, text.find(f'"{name}",p)')) for name in ("fa-brands", "fa-regular", "fa-solid")]
        starts = [0, *(end for _, end in ends[:-1])]
        self._runs = {name: text[start:end] for (name, end), start in zip(ends, starts, strict=True) if end > 0}

    def outline(self, style: str, name: str) -> tuple[str, str, str] | None:
        """Width, height and path of an icon; None where the library has no such icon."""
        pattern = rf'[{{,]"?{re.escape(name)}"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","([^"]+)"\]'
        found = re.search(pattern, self._runs.get(style, ""))
        return found.groups() if found else None

    def draw(self, page: BeautifulSoup) -> None:
        """Put the outline in the place of each ``<i class="fa-solid fa-x">`` and drop the library's script.

        BookError names an icon that the library does not have.
        """
        scripts = [tag for tag in page.find_all("script", src=True) if "fontawesome" in tag["src"]]
        if not scripts:
            return
        for tag in page.find_all(["i", "span"], class_=list(STYLES)):
            classes = tag["class"]
            style = next(STYLES[name] for name in classes if name in STYLES)
            names = [name[3:] for name in classes if name.startswith("fa-") and name not in STYLES]
            drawn = next(filter(None, (self.outline(style, name) for name in names)), None)
            if drawn is None:
                raise BookError(f"The theme's library has no icon {' '.join(classes)!r}; correct its name.")
            width, height, path = drawn
            svg = page.new_tag("svg", attrs={
                "class": ["book-icon", *classes], "viewBox": f"0 0 {width} {height}",
                "aria-hidden": "true", "focusable": "false",
                **{key: value for key, value in tag.attrs.items() if key.startswith("data-")},
            })  # fmt: skip
            svg.append(page.new_tag("path", attrs={"fill": "currentColor", "d": path}))
            tag.replace_with(svg)
        for tag in scripts:
            tag.decompose()


def mend(page: BeautifulSoup) -> None:
    """Names, roles and headers that assistive technology needs and the theme or pandas does not give."""
    for extra in page.select("meta[name=viewport]")[1:]:
        extra.decompose()
    for button in page.select("button[aria-label], summary[aria-label]"):  # what is read aloud must hold what is seen
        if button.get_text(strip=True):
            del button["aria-label"]
    for button in page.select("button[title]:not([aria-label])"):
        if not button.get_text(strip=True):
            button["aria-label"] = button["title"]
    for part in page.select(".sidebar-primary-items__start"):
        part["role"], part["aria-label"] = "navigation", "Book"
    for listing in page.select("[role=doc-biblioentry], [role=list].citation-list, [role=doc-bibliography]"):
        del listing["role"]  # docutils gives roles that do not fit their children


def describe(page: BeautifulSoup, article: Tag, address: str, preview: str) -> None:
    """What a search engine and a link in a message show: title, first paragraph, address, picture."""
    title = article.find("h1")
    told = {
        "og:type": "article", "og:title": " ".join(title.stripped_strings).rstrip("# ") if title else "",
        "og:description": description(article), "og:url": address, "og:image": preview,
    }  # fmt: skip
    if not page.select_one("meta[name=description]"):
        page.head.append(page.new_tag("meta", attrs={"name": "description", "content": told["og:description"]}))
    for key, content in told.items():
        if content:
            page.head.append(page.new_tag("meta", attrs={"property": key, "content": content}))
    if preview:
        page.head.append(page.new_tag("meta", attrs={"name": "twitter:card", "content": "summary_large_image"}))


def description(article: Tag) -> str:
    """The first paragraph of the text, whole sentences of at most `DESCRIBED` characters where one is that short."""
    for tag in article.select("p"):
        text = " ".join(tag.get_text().split())
        if len(text) < 40 or tag.find_parent(["table", "figure", "li"]) or tag.find_parent(class_="admonition"):
            continue
        kept = ""
        for sentence in re.split(r"(?<=[.?!])\s+", text):
            if len(kept) + len(sentence) >= DESCRIBED:
                break
            kept = f"{kept} {sentence}".strip()
        return kept or f"{text[:DESCRIBED].rpartition(' ')[0]} …"
    return ""


def say_time(page: BeautifulSoup, article: Tag, run: dict[str, Any]) -> None:
    """Measured times in the line that a chapter has for them, else in a line below its title."""
    took = f"{run['wall_s']:.0f} s" if run["wall_s"] < 100 else f"{run['wall_s'] / 60:.0f} minutes"
    minutes = of_page(article).minutes
    said = f" {minutes} minute{'s' * (minutes != 1)} to read, {took} to run{' (a quick run)' * run['quick']}."
    for tag in article.select("li strong"):
        if tag.get_text() == "Time":
            for part in list(tag.next_siblings):
                part.extract()
            tag.insert_after(said)
            return
    if title := article.find("h1"):
        line = page.new_tag("p", attrs={"class": "book-time"})
        line.string = said.strip()
        title.insert_after(line)


def list_contents(page: BeautifulSoup, article: Tag) -> None:
    """Sections of a longer page, and its take-away, in a list that unfolds below the title.

    A wide screen has the theme's list at the side instead, which gets the take-away as well.
    """
    headings = article.select("section[id] > h2")
    sections = [(tag.parent["id"], " ".join(tag.get_text().split()).rstrip("# ")) for tag in headings]
    entries = list(sections)
    for title in article.select(".admonition > .admonition-title"):
        if (words := title.get_text(strip=True)).lower() == "take away":
            title.parent["id"] = title.parent.get("id", "take-away")
            entries.append((title.parent["id"], words))
    if len(entries) < LISTED or not (title := article.find("h1")):
        return
    title.insert_after(BeautifulSoup(fill("contents.html", entries=entries), "html.parser"))
    for side in page.select("nav.page-toc > ul"):
        for anchor, words in entries[len(sections):]:
            item = f'<li class="toc-h2 nav-item toc-entry"><a class="nav-link" href="#{anchor}"></a></li>'
            side.append(BeautifulSoup(item, "html.parser"))
            side.find_all("a")[-1].string = words


def without_formulas(page: BeautifulSoup) -> None:
    """Drop the scripts that typeset formulas from a page that has none."""
    if page.select_one(".math"):
        return
    for tag in page.select("script"):
        if "mathjax" in tag.get("src", "").lower() or tag.get_text().lstrip().startswith("window.MathJax"):
            tag.decompose()


def search_words(script: Path) -> None:
    """Let the search find words that begin as the reader wrote, and not those that hold it: "sag", no "disagree"."""
    if script.is_file():
        text = script.read_text(encoding="utf-8")
        if INSIDE not in text:
            raise BookError(f"{script.name} of the renderer has changed: found no {INSIDE!r}; see finish.search_words.")
        write_text(script, text.replace(INSIDE, INSIDE.replace("= ", '= "^" + ')))


def _preview(project: Project, folder: Path) -> str:
    """Address of the picture that a link to the book shows; empty where the settings name none."""
    if not project.settings.preview:
        return ""
    source = project.root / project.settings.preview
    if not source.is_file():
        raise BookError(f"preview in [tool.bookpress] is {source}, and there is no such file.")
    shutil.copy(source, folder / "_static" / source.name)
    return f"{project.home}_static/{source.name}"


def provenance_blocks(project: Project) -> dict[str, str]:
    """For each page of the table of contents the folded block that says how it was made, as HTML."""
    runs = {f"notebooks/{run['notebook']}": run for run in run_records(project, project.chapters())}
    here = revision(project.root)
    common = [
        ("Rendered from commit", commit_words(**here).replace("`", "")),
        ("Data registry", data_fingerprint(project)),
        ("Versions", ", ".join(f"{name} {number}" for name, number in versions(project).items())),
    ]
    rows = {page: [*_run_rows(runs.get(page)), *common] for page in project.pages()}
    return {page: fill("provenance.html", rows=told) for page, told in rows.items()}


def _run_rows(run: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    if run is None:
        return
    yield "Run from commit", commit_words(run["commit"], run["dirty"]).replace("`", "")
    yield "Run finished", run["finished"]
    yield "Run took", f"{run['wall_s']:.0f} s, at most {run['peak_mb']:,} MB"
    yield "Parameters", f"cohort {run['cohort']}, {'quick, ' * run['quick']}seed {run['seed']}"


def redirects(project: Project) -> dict[str, str]:
    """Old page to new page, from ``assets/redirects.toml``; empty where there is no such file.

    BookError when an entry is not two paths of pages, or points from a page that exists.
    """
    path = project.root / "assets" / "redirects.toml"
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("moved", {})
    except tomllib.TOMLDecodeError as error:
        raise BookError(f"{path} is not TOML: {error}") from error
    pages = {f"{page}.html" for page in project.pages()}
    for old, new in table.items():
        if not old.endswith(".html") or old.startswith(("/", "..")) or "//" in old:
            raise BookError(f"{path}: {old!r} is not a page; write it like \"notebooks/01_old.html\".")
        if old in pages:
            raise BookError(f"{path}: {old!r} is a page of _toc.yml and cannot have moved; remove the entry.")
        if new not in pages:
            raise BookError(f"{path}: {old!r} moves to {new!r}, which is not a page of _toc.yml.")
    return table


def redirect(project: Project, folder: Path) -> None:
    """Leave a page that points on at each address that has moved."""
    for old, new in redirects(project).items():
        path = "../" * old.count("/") + new
        write_text(folder / old, fill("moved.html", path=path, canonical=project.home + new))
