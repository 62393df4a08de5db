"""What the paper and the study before it report, number by number."""

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


@cache
def gouwens() -> dict[str, dict]:
    """What Gouwens et al. (2020) report, or set in their code: key → ``what``, ``value``, ``source``.

    >>> gouwens()["families"]["value"]
    12
    """
    return tomllib.loads(files("patchtype.experiments").joinpath("gouwens.toml").read_text("utf-8"))
