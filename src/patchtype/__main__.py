"""``patchtype COMMAND``: each command lives in its own room, imported only when it is asked for.

What every command may meet, a path that cannot be read or written, a pipe that closes, Ctrl-C, is told here.
A room offers ``add_arguments(parser)`` and ``main(args) -> int``; the parser's ``prog`` ends in the command.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

COMMANDS = {
    "simulate": ("patchtype.simulation.cli", "write recordings of simulated neurons"),
    "extract": ("patchtype.recordings.cli", "recordings in, feature families and a verdict per cell out"),
    "embed": ("patchtype.simulation.embedded", "make the simulated cohort of the package anew"),
    "data": ("patchtype.cohorts.cli", "fetch and check the public tables"),
    "classify": ("patchtype.classify.cli", "a recording in, its subclass with all doubts and a page out"),
    "models": ("patchtype.classify.cli", "train and measure the classifiers that classify uses"),
    "suite": ("patchtype.experiments.suite", "train the three human regimes over all repeats and folds"),
    "science": ("patchtype.experiments.transfer", "run every method of the comparison on transfer"),
    "better": ("patchtype.experiments.better_model",
               "try the better model on development donors, score it once on final ones"),
}
#: Commands that keep what is done and go on from there whenever they are called alike.
RESUMED = {"simulate", "extract", "embed"}


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit status. A wrong call gives 2, a stopped one 130."""
    words = sys.argv[1:] if argv is None else argv
    listing = "\n".join(f"  {name:<12} {what}" for name, (_, what) in COMMANDS.items())
    top = argparse.ArgumentParser(
        prog="patchtype",
        epilog=f"commands:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument(
        "command", choices=COMMANDS, metavar="COMMAND", help="one of those below; each takes --help"
    )
    if not words:
        top.print_help(sys.stderr)
        return 2
    command = top.parse_args(words[:1]).command
    try:
        room = importlib.import_module(COMMANDS[command][0])
        parser = argparse.ArgumentParser(prog=f"{top.prog} {command}", description=COMMANDS[command][1])
        room.add_arguments(parser)
        return room.main(parser.parse_args(words[1:]))
    except KeyboardInterrupt:
        further = "; the same command goes on from here" if command in RESUMED else ""
        print(f"{command}: stopped{further}", file=sys.stderr)
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
