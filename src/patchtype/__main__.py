"""``patchtype COMMAND``: each command lives in its own room, imported only when it is asked for.

What every command may meet, a path that cannot be read or written, a pipe that closes, Ctrl-C, is told here.
A room offers ``add_arguments(parser)`` and ``main(args) -> int``; the parser's ``prog`` ends in the command.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import io
import os
import sys

from patchtype import __version__

COMMANDS = {
    "extract": ("patchtype.recordings.cli", "recordings in, feature families and a verdict per cell out"),
    "classify": ("patchtype.classify.cli", "a recording in, its subclass with all doubts and a page out"),
    "simulate": ("patchtype.simulation.cli", "write recordings of simulated neurons"),
    "data": ("patchtype.cohorts.cli", "fetch and check the public tables"),
    "embed": ("patchtype.simulation.embedded", "make the simulated cohort of the package anew"),
    "models": ("patchtype.classify.cli", "train and measure the classifiers that classify uses"),
    "suite": ("patchtype.experiments.suite", "train the three human regimes over all repeats and folds"),
    "baselines": ("patchtype.experiments.baselines", "run the table models on both species, out of fold"),
    "science": ("patchtype.experiments.transfer", "run every method of the comparison on transfer"),
    "better": ("patchtype.experiments.better_model",
               "try the better model on development donors, score it on final ones"),
    "experiments": ("patchtype.experiments.kept", "run what else the chapters read: ten repeats, layers, settings"),
}
#: The first four are for anyone, the others for who makes the package and the book.
LONG_RUNS = list(COMMANDS)[4:]
#: Commands that keep what is done and go on from there whenever they are called alike.
RESUMED = {"simulate", "extract", "embed", "classify", "experiments"}
EXIT_STATUS = """exit status:
  0    done
  1    done, but an input was refused or nothing passed; the reasons are printed
  2    the call was wrong, or a file cannot be read or written
  3    the public data that it needs cannot be had
  130  stopped by Ctrl-C"""
#: Extras of the package and what is imported of them: a command that lacks one says how to get it.
EXTRAS = {"arbor": "simulate", "dandi": "dandi", "aiohttp": "dandi", "fsspec": "dandi", "torch": "train",
          "imblearn": "train", "pyarrow": "train", "dask": "distributed", "distributed": "distributed",
          "hdf5plugin": "filters"}


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit status, see `EXIT_STATUS`."""
    words = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that a terminal cannot show must not end a command
            stream.reconfigure(errors="backslashreplace")
    top = _parser()
    if not words:
        top.print_help(sys.stderr)
        return 2
    command = top.parse_args(words[:1]).command
    try:
        room = importlib.import_module(COMMANDS[command][0])
        parser = argparse.ArgumentParser(prog=f"{top.prog} {command}", description=COMMANDS[command][1])
        room.add_arguments(parser)
        status = room.main(parser.parse_args(words[1:]))
        sys.stdout.flush()  # a pipe that closed is told here, not when Python ends
        return status
    except KeyboardInterrupt:
        further = "; the same command goes on from here" if command in RESUMED else ""
        print(f"{command}: stopped{further}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # who read our output has had enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        print(f"error: found no package {error.name}, expected it for this call; run "
              f"`pip install 'patchtype[{EXTRAS[error.name]}]'`", file=sys.stderr)
        return 2
    except (RuntimeError, ValueError) as error:
        from patchtype.cohorts import DataUnavailable, TableError  # not before, for they bring pandas

        if not isinstance(error, DataUnavailable | TableError):
            raise
        print(f"No data: {error}", file=sys.stderr)
        return 3
    except OSError as error:
        if error.filename is None:
            raise
        print(f"error: found {error.filename}: {error.strerror}; expected a path that can be read or written; "
              "check the path, your rights there and the space on the disk", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    rows = {name: f"  {name:<11} {what}" for name, (_, what) in COMMANDS.items()}
    listing = "\n".join(row for name, row in rows.items() if name not in LONG_RUNS)
    longer = "\n".join(rows[name] for name in LONG_RUNS)
    parser = argparse.ArgumentParser(
        prog="patchtype",
        description="A neuron's transcriptomic subclass from its electrical recording.",
        epilog=f"commands:\n{listing}\n\nlong runs, for who makes the package and the book anew:\n{longer}\n\n"
               f"{EXIT_STATUS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"patchtype {__version__}")
    parser.add_argument("command", type=_command, metavar="COMMAND", help="one of those below; each takes --help")
    return parser


def _command(word: str) -> str:
    if word in COMMANDS:
        return word
    near = difflib.get_close_matches(word, COMMANDS, n=1)
    guess = f"; did you mean {near[0]}?" if near else ""
    raise argparse.ArgumentTypeError(f"found the command {word!r}, expected one of {', '.join(COMMANDS)}{guess}")


if __name__ == "__main__":
    sys.exit(main())
