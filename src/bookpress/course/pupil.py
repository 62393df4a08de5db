"""The process that runs a student's code: it prepares the chapter, runs the answer, and does what the judge asks.

It knows neither check nor solution. ``python -m bookpress.course.pupil FD``: the line to the judge.
"""

from __future__ import annotations

import ast
import os
import socket
import sys
import types
from typing import Any

from bookpress.course.wire import WireError, decode, encode, receive, send, told

GIGABYTE = 1 << 30


def limit(memory_gb: float, seconds: int) -> None:
    """Limits of memory, processor time, files and processes that this process cannot lift again."""
    try:
        import resource
    except ImportError:  # Windows
        return
    wanted = {
        "RLIMIT_AS": int(memory_gb * GIGABYTE), "RLIMIT_CPU": seconds, "RLIMIT_FSIZE": GIGABYTE // 5,
        "RLIMIT_NOFILE": 512, "RLIMIT_NPROC": 256, "RLIMIT_CORE": 0,
    }  # fmt: skip
    for name, most in wanted.items():
        kind = getattr(resource, name, None)
        if kind is not None:
            hard = resource.getrlimit(kind)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            try:
                resource.setrlimit(kind, (most, most))
            except (OSError, ValueError):  # a system that does not know this limit
                continue


def python(source: str) -> str:
    """A cell as Python: lines for Jupyter alone (``%time``, ``!ls``) are left out where it is none otherwise.

    >>> python("%matplotlib inline\\nx = 1")
    '\\nx = 1'
    """
    try:
        ast.parse(source)
    except SyntaxError:
        return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.split("\n"))
    return source


def serve(line: socket.socket) -> None:
    """Answer the judge until the line closes."""
    module = types.ModuleType("__main__")
    module.display = print
    space, sys.modules["__main__"] = module.__dict__, module
    while True:
        try:
            asked = receive(line)
        except (WireError, OSError):
            return
        try:
            send(line, _do(asked, space))
        except BaseException as error:  # a student's exception may be of any kind, SystemExit too
            send(line, told(error))


def _do(asked: dict[str, Any], space: dict[str, Any]) -> dict[str, Any]:
    if "run" in asked:
        for number, source in enumerate(asked["run"]):
            exec(compile(python(source), f"<cell {number + 1}>", "exec"), space)
        return {"done": True}
    if "get" in asked:
        if asked["get"] not in space:
            return {"missing": True}
        return {"value": encode(space[asked["get"]])}
    words, named = decode(asked["words"], trusting=True), decode(asked["named"], trusting=True)
    value = space[asked["call"]](*words, **named)
    return {"value": encode(value), "words": encode(words)}


def main() -> None:
    line = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(line.fileno(), False)
    first = receive(line)
    limit(first["memory_gb"], first["seconds"])
    serve(line)


if __name__ == "__main__":
    main()
