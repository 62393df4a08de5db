"""The process that judges one answer. It runs the chapter's cells and its check, and never a student's code.

Names that the answer gives are asked from the student's process, which runs behind `bookpress.course.cage`; of a
function the judge holds only a name, and calling it sends plain arguments over and gets a plain value back.
``python -m bookpress.course.judge``: a job on standard input, the verdict on standard output, both JSON.
"""

from __future__ import annotations

import ast
import json
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bookpress.course import cage
from bookpress.course.exercises import binds, parts, reads
from bookpress.course.wire import WireError, decode, encode, raised, receive, send

CHAPTER_FAILED = "the chapter's own cells failed: "
#: Seconds for the chapter's own cells: imports on a cold disk and a busy machine.
PREPARE_S = 300
#: How many seconds on the clock may pass for each of processor time: the machine may be busy, the answer asleep.
WALL = 5
LATE = "took longer than "
#: Seconds between two looks at what the student's processes have used.
LOOK_S = 0.2


class Late(Exception):
    """The student's process did not answer in time; says which time."""


class Line:
    """Asks the student's process, within the time that is left."""

    def __init__(self, line: socket.socket):
        self.line, self.limit_s = line, 0.0
        self.until = self.most = self.next = 0.0

    def allow(self, limit_s: float) -> None:
        """From now on so many seconds of processor time, and `WALL` times as many on the clock."""
        self.limit_s, self.until, self.most = limit_s, time.monotonic() + WALL * limit_s, cage.used_s() + limit_s

    def ask(self, **message: Any) -> dict[str, Any]:
        try:
            self.line.settimeout(self.left())
            send(self.line, message)
            while not select.select([self.line], [], [], LOOK_S)[0]:
                self.left()
            return receive(self.line, self.left())
        except TimeoutError as error:
            raise Late(f"{LATE}{WALL * self.limit_s:g} s") from error
        except OSError as error:
            raise WireError("the line is closed") from error

    def left(self) -> float:
        """Seconds left on the clock. Late where more processor time was used than there is."""
        now = time.monotonic()
        if now > self.next:
            self.next = now + LOOK_S
            if cage.used_s() > self.most:
                raise Late(f"used more than {self.limit_s:g} s of processor time")
        if now > self.until:
            raise TimeoutError
        return max(0.1, self.until - now)


class Remote:
    """A function of the student's, known by its name alone."""

    def __init__(self, line: Line, name: str):
        self._line, self.__name__ = line, name

    def __call__(self, *words: Any, **named: Any) -> Any:
        said = self._line.ask(
            call=self.__name__, words=encode(words), named={"t": "dict", "v": encode(named)["v"]}
        )  # fmt: skip
        if "raised" in said:
            raise raised(said["raised"], str(said.get("says", "")))
        if "words" in said:
            _renew(words, decode(said["words"]))
        return decode(said.get("value"))


def _renew(given: tuple, after: Any) -> None:
    """What the function changed in the arrays and tables it was given is changed here too."""
    if not isinstance(after, tuple) or len(after) != len(given):
        return
    for here, there in zip(given, after, strict=True):
        if type(here) is not type(there) or getattr(here, "shape", None) != getattr(there, "shape", None):
            continue
        if hasattr(here, "iloc") and not here.equals(there):
            here.iloc[:] = there.to_numpy()
        elif type(here).__name__ == "ndarray" and here.flags.writeable:
            here[...] = there
        elif isinstance(here, list):
            here[:] = there


def verdict(job: dict[str, Any]) -> dict[str, Any]:
    """Judge one answer: ``passed`` and the ``reason``, empty when it passed.

    ``job``: ``context``, the chapter's cells that the exercise builds on; ``solution``, the chapter's own cell;
    ``check``; ``answer``; ``limit_s``; ``memory_gb``; ``work``, a folder for the student's process.
    """
    ours, theirs = socket.socketpair()
    words, environment = cage.command(Path(job["work"]), cage.data(), theirs.fileno())
    cage.adopt()
    process = subprocess.Popen(
        words, env=environment, cwd=job["work"], pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    theirs.close()
    try:
        return _judge(job, Line(ours))
    finally:
        ours.close()
        cage.end([process])


def _judge(job: dict[str, Any], line: Line) -> dict[str, Any]:
    limit_s, context = job["limit_s"], job["context"]
    until = time.monotonic() + PREPARE_S
    try:
        send(line.line, {"memory_gb": job["memory_gb"], "seconds": int(PREPARE_S + 3 * limit_s)})
        send(line.line, {"run": context})  # both prepare the chapter at once
        space: dict[str, Any] = {"__name__": "__main__", "display": print}
        for source in context:
            exec(compile(source, "<chapter>", "exec"), space)
        for source in _imports(job["solution"]):
            exec(source, space)
        said = receive(line.line, max(1.0, until - time.monotonic()))
    except Exception as error:
        return _failed(f"{CHAPTER_FAILED}{type(error).__name__}: {error}")
    if "raised" in said:
        return _failed(f"{CHAPTER_FAILED}{said['raised']}: {said['says']}")
    line.allow(limit_s)
    try:
        said = line.ask(run=[job["answer"]])
        if "raised" in said:
            return _told(said["raised"], said.get("says", ""))
        given = binds(job["solution"])
        for name in sorted(reads(job["check"]) & given):
            space.pop(name, None)
            said = line.ask(get=name)
            if "missing" in said:
                return _failed(f"the answer gives no `{name}`")
            if "raised" in said:
                return _told(said["raised"], said.get("says", ""))
            value = said.get("value")
            function = isinstance(value, dict) and value.get("t") == "function"
            space[name] = Remote(line, name) if function else decode(value)
        line.allow(limit_s)
        exec(compile(job["check"], "<check>", "exec"), space)
    except Late as error:
        return _failed(str(error))
    except WireError as error:
        closed = str(error) == "the line is closed"
        return _failed("the answer ended the program" if closed else f"the answer gives back {error}")
    except AssertionError as error:
        return _failed(str(error))
    except Exception as error:
        return _told(type(error).__name__, str(error))
    return {"passed": True, "reason": ""}


def _imports(solution: str) -> list[str]:
    """Imports that the chapter gives beside its answer; the check may need them."""
    given = "\n".join(line for inside, block in parts(solution, "") if not inside for line in block)
    try:
        tree = ast.parse(given)
    except SyntaxError:
        return []
    return [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]


def _told(name: Any, says: Any) -> dict[str, Any]:
    if name == "NotImplementedError" and str(says).startswith("Exercise "):
        return _failed("not answered")
    return _failed(f"{name}: {says}")


def _failed(reason: str) -> dict[str, Any]:
    return {"passed": False, "reason": reason}


def main() -> None:
    job = json.load(sys.stdin)
    out, sys.stdout = sys.stdout, sys.stderr  # what the chapter prints is no verdict
    found = verdict(job)
    json.dump(found, out)
    out.flush()


if __name__ == "__main__":
    main()
