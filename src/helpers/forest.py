"""Rows of intervals as a table whose middle column is drawn: text that can be read, copied and heard, on any screen.

The drawing is made of boxes placed by percentages, in the page's own colours: no script, no picture, and dark pages
and phones need nothing else. Its look is in ``assets/static/figures.css``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple


class Row(NamedTuple):
    """One line: a name, a value with its 95 % interval or None, the paper's value or None, and words beside it."""

    name: str
    value: float
    interval: Sequence[float] | None = None
    paper: float | None = None
    words: str = ""


class Forest:
    """A table of `Row` on one axis from ``low`` to ``high``; a notebook shows it as HTML.

    ``zero`` draws a line at no difference. A bar that leaves the axis is cut at its end.

    >>> print(Forest([Row("gain", 0.01, (-0.01, 0.03))], "Gains", -0.05, 0.05).html())  # doctest: +ELLIPSIS
    <table class="forest">...
    """

    def __init__(self, rows: Sequence[Row], caption: str, low: float, high: float, zero: bool = True):
        self.rows, self.caption, self.low, self.high, self.zero = list(rows), caption, low, high, zero

    def place(self, value: float) -> float:
        """Where a value lies on the axis, in percent of its length.

        >>> Forest([], "", -1, 3).place(0), Forest([], "", 0, 1).place(2)
        (25.0, 100.0)
        """
        return 100 * min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def html(self) -> str:
        """The table; its axis is named in the head."""
        return self.around("".join(self._row(row) for row in self.rows))

    def around(self, body: str) -> str:
        """Caption and axis of the table, with these lines."""
        ends = "".join(f"<span>{number(end)}</span>" for end in (self.low, self.high))
        head = f'<tr><td></td><th scope="col"><span class="forest-axis">{ends}</span></th><td></td></tr>'
        return (
            f'<table class="forest"><caption>{escape(self.caption)}</caption><thead>{head}</thead>'
            f"<tbody>{body}</tbody></table>"
        )

    def _row(self, row: Row) -> str:
        drawn = ""
        if self.zero and self.low <= 0 <= self.high:
            drawn += f'<span class="forest-zero" style="left:{self.place(0):.1f}%"></span>'
        if row.interval is not None:
            first, last = map(self.place, row.interval)
            drawn += f'<span class="forest-line" style="left:{first:.1f}%;width:{last - first:.1f}%"></span>'
        drawn += f'<span class="forest-dot" style="left:{self.place(row.value):.1f}%"></span>'
        if row.paper is not None:
            drawn += f'<span class="forest-paper" style="left:{self.place(row.paper):.1f}%"></span>'
        return (
            f'<tr><th scope="row">{escape(row.name)}</th>'
            f'<td><span class="forest-plot" aria-hidden="true">{drawn}</span></td>'
            f'<td class="forest-number">{escape(row.words)}</td></tr>'
        )

    def _repr_html_(self) -> str:
        return self.html()

    def __repr__(self) -> str:
        return f"{self.caption}: " + "; ".join(f"{row.name} {row.words}" for row in self.rows)


def strip(rows: Mapping[str, Mapping[str, float]], caption: str, low: float, high: float) -> str:
    """A table like `Forest`'s with many dots a line: name of the line → name of a dot → its value."""
    axis = Forest([], caption, low, high)
    body = ""
    for name, dots in rows.items():
        drawn = "".join(
            f'<span class="forest-dot" style="left:{axis.place(value):.1f}%" title="{escape(dot)}: {value:.3f}"></span>'
            for dot, value in dots.items()
        )
        ends = " to ".join(dict.fromkeys(f"{end(dots.values()):.2f}" for end in (min, max)))
        body += (f'<tr><th scope="row">{escape(name)}</th><td><span class="forest-plot">{drawn}</span></td>'
                 f'<td class="forest-number">{ends}</td></tr>')
    return axis.around(body)


def number(value: float) -> str:
    """A number as it stands on an axis, with a true minus sign.

    >>> number(-0.05)
    '−0.05'
    """
    return f"{value:g}".replace("-", "−")
