"""Tables that can be read in columns: aligned numbers, true minus signs, separated thousands, headers with a scope."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup

from bookpress.table import thousands, tidy, true_minus


def table(head: str, *rows: str) -> BeautifulSoup:
    """A table of cells divided by |, with an index when the head begins with one."""
    heads = "".join(f"<th>{cell}</th>" for cell in head.split("|"))
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row.split('|'))}</tr>" for row in rows)
    whole = f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    page = BeautifulSoup(f"<article>{whole}</article>", "lxml")
    tidy(page)
    return page


def column(page: BeautifulSoup, at: int) -> list[str]:
    return [row.find_all("td")[at].get_text() for row in page.select("tbody tr")]


def test_headers_of_a_table_say_what_they_head():
    page = BeautifulSoup(
        "<article><table><thead><tr><th></th><th>a</th><th colspan=2>b</th></tr></thead>"
        "<tbody><tr><th>r</th><td>1</td></tr></tbody></table></article>", "lxml",
    )  # fmt: skip
    tidy(page)
    corner, head, group = page.thead.tr.find_all(True)
    assert corner.name == "td"
    assert head["scope"] == "col"
    assert group["scope"] == "colgroup"
    assert page.tbody.th["scope"] == "row"


@pytest.mark.parametrize("cells", [
    ["0.5", "12"], ["-0.5", ""], ["0.751 (0.713 to 0.789)", "–"], ["[0.1, 0.2]", "nan"], ["12 %", "< 0.001"],
    ["0.7 ± 0.1", "+2"], ["1,234", "1e-5"],
])  # fmt: skip
def test_a_column_of_numbers_stands_right_with_its_head(cells):
    page = table("what|value", *(f"words|{cell}" for cell in cells))
    assert ["number" in cell.get("class", []) for cell in page.select("th")] == [False, True]
    assert all("number" in row.find_all("td")[1]["class"] for row in page.select("tbody tr"))
    assert not any("number" in row.find_all("td")[0].get("class", []) for row in page.select("tbody tr"))


@pytest.mark.parametrize("cells", [["0.5", "no interval"], ["", ""], ["a1", "2"]])
def test_a_column_with_words_stays(cells):
    page = table("value", *cells)
    assert not page.select(".number")
    assert column(page, 0) == cells


def test_thousands_are_separated_where_something_is_counted():
    assert column(table("cells", "4178", "12"), 0) == ["4,178", "12"]
    assert column(table("change", "-12345.5"), 0) == ["−12,345.5"]
    assert column(table("year", "2019", "1234"), 0) == ["2019", "1234"]
    assert column(table("published", "2019", "2023"), 0) == ["2019", "2023"]
    assert column(table("specimen id", "601506507"), 0) == ["601506507"]


def test_a_cell_that_spans_rows_does_not_shift_the_columns():
    page = BeautifulSoup(
        "<article><table><thead><tr><th>a</th><th>b</th><th>cells</th></tr></thead><tbody>"
        "<tr><th rowspan=2>x</th><td>words</td><td>4178</td></tr><tr><td>more</td><td>9</td></tr>"
        "</tbody></table></article>", "lxml",
    )  # fmt: skip
    tidy(page)
    assert [cell.get_text() for cell in page.select("td.number")] == ["4,178", "9"]


@pytest.mark.parametrize(("text", "said"), [
    ("-0.5", "−0.5"), ("-.5 to -2", "−.5 to −2"), ("(-1, 2)", "(−1, 2)"), ("2019-05-03", "2019-05-03"),
    ("a-1", "a-1"), ("well-known", "well-known"), ("1e-5", "1e-5"), ("3,-4", "3,-4"),
])  # fmt: skip
def test_a_minus_is_one_and_a_hyphen_stays(text, said):
    assert true_minus(text) == said


def test_a_number_in_a_sentence_gets_its_minus_too():
    page = BeautifulSoup('<article><p>a <span class="pasted-text">-0.03</span> b-1</p></article>', "lxml")
    tidy(page)
    assert page.p.get_text() == "a −0.03 b-1"


@pytest.mark.parametrize("text", ["999", "1,234", "cell 4178", "0.12345", ""])
def test_what_is_short_or_no_number_stays(text):
    assert thousands(text) == text


def test_a_styled_table_looks_like_every_other_and_a_drawn_one_keeps_its_own_look():
    page = BeautifulSoup(
        '<article><div class="cell_output"><table></table><table class="forest"></table></div>'
        "<table></table></article>", "lxml",
    )  # fmt: skip
    tidy(page)
    assert [table.get("class") for table in page.select("table")] == [["dataframe"], ["forest"], None]


def test_a_long_name_may_break_behind_its_underscores():
    row = "<tr><td><code>fast_trough_v</code></td><td>a b</td></tr>"
    page = BeautifulSoup(f"<article><table>{row}</table></article>", "lxml")
    tidy(page)
    assert [str(cell.string or cell.code) for cell in page.select("td")] == [
        "<code>fast_<wbr/>trough_<wbr/>v</code>", "a b"]
    assert page.td.get_text() == "fast_trough_v"
