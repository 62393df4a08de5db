"""Tables on rendered pages: numbers in columns that can be compared, headers that can be heard."""

from __future__ import annotations

import re
from itertools import zip_longest

from bs4 import BeautifulSoup, Tag

MINUS = "\u2212"
NUMBER = re.compile(rf"[-+{MINUS}±]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?:\s?%)?")
#: What may stand in a column of numbers: a number, an interval, a mean and its spread, or nothing.
NUMERIC = re.compile(rf"[<≥≤>~]?\s?[\[(]?{NUMBER.pattern}(?:\s?(?:±|to|,|–|\()\s?{NUMBER.pattern})*[\])]?|[–—-]?|nan",
                     re.IGNORECASE)  # fmt: skip
HYPHEN = re.compile(r"(?<![\w.,\])-])-(?=\d|\.\d)")
LONG = re.compile(rf"([-+{MINUS}]?)(\d{{4,}})(\.\d+)?")
#: Columns of whole numbers that count nothing.
NO_COUNT = re.compile(r"\b(?:ids?|years?|seeds?|specimens?|dandisets?|pmid)\b", re.IGNORECASE)


def tidy(page: BeautifulSoup) -> None:
    """Numbers aligned, with true minus signs and separated thousands; scopes for headers; long names that may break."""
    for table in page.select("article table"):
        _scopes(table)
        _columns(table)
        _breaks(page, table)
        if not table.get("class") and table.find_parent(class_="cell_output"):
            table["class"] = ["dataframe"]  # a styled table of pandas, which the theme knows by this name only
    for tag in page.select(".pasted-text, .pasted-inline"):
        for text in tag.find_all(string=HYPHEN):
            text.replace_with(true_minus(text))


def true_minus(text: str) -> str:
    """Minus signs instead of hyphens before numbers.

    >>> true_minus("-0.5 to -.25, a-1, 2019-05")
    '−0.5 to −.25, a-1, 2019-05'
    """
    return HYPHEN.sub(MINUS, text)


def thousands(text: str) -> str:
    """A whole cell that is one number, with its thousands separated.

    >>> thousands("4178"), thousands("-12345.5"), thousands("cell 4178")
    ('4,178', '-12,345.5', 'cell 4178')
    """
    found = LONG.fullmatch(text.strip())
    return f"{found[1]}{int(found[2]):,}{found[3] or ''}" if found else text


def _scopes(table: Tag) -> None:
    for cell in table.select("thead th"):
        if cell.get_text(strip=True):
            cell["scope"] = cell.get("scope", "colgroup" if int(cell.get("colspan", 1)) > 1 else "col")
        else:
            cell.name = "td"  # the corner above an index without a name is no header
    for cell in table.select("tbody th"):
        cell["scope"] = cell.get("scope", "row")


def _breaks(page: BeautifulSoup, table: Tag) -> None:
    """A long name may break behind an underscore, so that it does not make its column wider than the page."""
    for text in table.find_all(string=re.compile("_")):
        first, *rest = re.split("(?<=_)", str(text))
        parts = [part for more in rest for part in (page.new_tag("wbr"), more) if part]
        text.replace_with(first, *parts)


def _columns(table: Tag) -> None:
    """Columns are counted from the right: on the left, a cell may span several rows."""
    rows = [row.find_all(["td", "th"], recursive=False)[::-1] for row in table.select("tbody tr")]
    heads = [row.find_all(["td", "th"], recursive=False)[::-1] for row in table.select("thead tr")]
    head = next((row for row in reversed(heads) if any(cell.get_text(strip=True) for cell in row)), [])
    for name, *cells in zip_longest(head, *rows):
        cells = [cell for cell in cells if cell is not None and cell.name == "td"]
        texts = [cell.get_text(" ", strip=True) for cell in cells]
        if not any(texts) or not all(map(NUMERIC.fullmatch, texts)):
            continue
        years = all(re.fullmatch(r"(?:19|20)\d\d", text) for text in texts if text)
        counts = not years and not (name is not None and NO_COUNT.search(name.get_text(" ")))
        for cell in filter(None, [name, *cells]):
            cell["class"] = [*cell.get("class", []), "number"]
        for cell in cells:
            for text in list(cell.find_all(string=NUMBER)):
                text.replace_with(true_minus(thousands(text) if counts else str(text)))
