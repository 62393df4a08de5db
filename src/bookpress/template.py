"""The HTML that the press writes: Jinja2 templates, in which everything that is put in is escaped."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

_ENVIRONMENT = Environment(
    loader=PackageLoader("bookpress"), autoescape=select_autoescape(["html"], default_for_string=True),
    undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip


def fill(template: str, /, **values: Any) -> str:
    """A template of ``bookpress/templates`` with its values; an error where one is missing."""
    return _ENVIRONMENT.get_template(template).render(values)


def fill_text(text: str, /, **values: Any) -> str:
    """The same for a template that lies elsewhere.

    >>> fill_text("<p>{{ name }}</p>", name="<b>")
    '<p>&lt;b&gt;</p>'
    """
    return _ENVIRONMENT.from_string(text).render(values)
