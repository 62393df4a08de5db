"""``python -m bookpress COMMAND``: each command lives in its own room, imported only when it is asked for.

What every command may meet, a path that cannot be read or written, a pipe that closes, Ctrl-C, is told here.
A room offers ``add_arguments(parser)`` and ``main(args) -> int``; the parser's ``prog`` ends in the command.

Exit status: 0 done; 1 something in the book or in what was handed in is wrong, and said; 2 a wrong call, or a path
that cannot be read or written; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys

COMMANDS = {
    "notebooks": ("bookpress.cli", "write notebooks/*.ipynb from their MyST sources"),
    "needs": ("bookpress.cli", "tell make which notebook needs which"),
    "run": ("bookpress.cli", "execute one notebook"),
    "render": ("bookpress.cli", "stage, render and check the pages"),
    "summary": ("bookpress.cli", "where the book is, and what each notebook took"),
    "student": ("bookpress.course.cli", "write the student's and the instructor's bundle"),
    "grade": ("bookpress.course.cli", "grade a folder of submitted notebooks"),
    "slides": ("bookpress.course.cli", "write slides from the executed notebooks"),
    "check-html": ("bookpress.cli", "check a rendered book"),
    "check-prose": ("bookpress.cli", "find result numbers typed into the prose"),
    "check-book": ("bookpress.cli", "look at every page in a browser: axe, keyboard, screens, links, weight"),
    "check-binder": ("bookpress.cli", "check what Binder will install"),
    "check-alone": ("bookpress.cli", "run each chapter quickly, alone in an empty folder, with another Python"),
    "offline": ("bookpress.cli", "write the book as one archive and one PDF"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit status, see above."""
    words = sys.argv[1:] if argv is None else argv
    listing = "\n".join(f"  {name:<12} {what}" for name, (_, what) in COMMANDS.items())
    top = argparse.ArgumentParser(
        prog="python -m bookpress", epilog=f"commands:\n{listing}\n\n{__doc__.strip().rpartition(chr(10) * 2)[2]}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    top.add_argument("command", metavar="COMMAND", help="one of those below; each takes --help")
    if not words:
        top.print_help(sys.stderr)
        return 2
    command = top.parse_args(words[:1]).command
    if command not in COMMANDS:
        near = difflib.get_close_matches(command, COMMANDS, n=1)
        top.error(f"found no command {command!r}; {f'did you mean {near[0]!r}?' if near else '--help lists them all.'}")
    try:
        room = importlib.import_module(COMMANDS[command][0])
        parser = argparse.ArgumentParser(prog=f"{top.prog} {command}", description=COMMANDS[command][1])
        room.add_arguments(parser)
        status = room.main(parser.parse_args(words[1:]))
        sys.stdout.flush()  # a pipe that closed is told here, not when Python ends
        return status
    except KeyboardInterrupt:
        print(f"{command}: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # who read our output has had enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.filename is None:
            raise
        print(f"error: found {error.filename}: {error.strerror}; expected a path that can be read or written; "
              "check the path, your rights there and the space on the disk", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
