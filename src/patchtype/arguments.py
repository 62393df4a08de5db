"""Kinds of argument that commands share: each refuses what it cannot be with a sentence."""

from __future__ import annotations

import argparse
import math
import os


def count(text: str) -> int:
    """A whole number of at least 1.

    >>> count("3")
    3
    """
    return _whole(text, 1)


def processes(text: str) -> int:
    """A whole number of at least 0; 0 means none beside this one."""
    return _whole(text, 0)


def seconds(text: str) -> float:
    """A positive, finite number of seconds."""
    value = _number(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a positive number of seconds")
    return value


def share(text: str) -> float:
    """A number from 0 to 1."""
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a share from 0 to 1")
    return value


def jobs(parser: argparse.ArgumentParser, default: int | None = None, least: int = 1,
         help: str = "processes (default: one per core)") -> None:  # noqa: A002 - argparse's own word
    """Add ``--jobs``; ``--workers``, as some commands called it, is understood and not shown.

    >>> parser = argparse.ArgumentParser()
    >>> jobs(parser)
    >>> parser.parse_args(["--workers", "3"]).jobs
    3
    """
    kind, default = (processes, count)[least], default if default is not None else os.cpu_count()
    parser.add_argument("--jobs", type=kind, default=default, metavar="N", help=help)
    parser.add_argument("--workers", type=kind, dest="jobs", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def _whole(text: str, least: int) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) < least:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number of at least {least}")
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
