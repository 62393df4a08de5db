"""What the paper reports, number by number."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files


@cache
def paper() -> dict[str, dict]:
    """What the paper reports: key → ``what``, ``value`` and, where given, ``spread``.

    >>> paper()["human_cells"]["value"]
    506
    """
    return tomllib.loads(files("patchtype.experiments").joinpath("paper.toml").read_text("utf-8"))
