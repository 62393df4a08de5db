"""Command line of the shipped classifiers: ``classify`` uses them, ``models`` makes them."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

from patchtype.classify.classifier import FEATURES, WeightsError, shipped
from patchtype.cohorts import DataUnavailable, TableError
from patchtype.files import write_bytes, write_text
from patchtype.taxonomy import SPECIES

#: Exit statuses: every file has an answer; some were refused; the call was wrong; no data.
DONE, REFUSED, WRONG_CALL, NO_DATA = 0, 1, 2, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command in which the parser's ``prog`` ends."""
    command = parser.prog.split()[-1]
    parser.set_defaults(classify_command=command)
    _COMMANDS[command][0](parser)


def main(args: argparse.Namespace) -> int:
    """Run the command; see the exit statuses above."""
    try:
        return _COMMANDS[args.classify_command][1](args)
    except WeightsError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_CALL
    except (DataUnavailable, TableError) as error:
        print(f"No data: {error}", file=sys.stderr)
        return NO_DATA


def _add_classify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE",
                        help="NWB 2 files, or folders, searched at any depth")
    parser.add_argument("--species", choices=SPECIES, help="for files that do not say it")
    parser.add_argument("--out", type=Path, default=Path("classified"),
                        help="folder of answers.csv and one HTML page a file (default: classified)")
    parser.add_argument("--no-reference", action="store_true",
                        help="do not compare with the published cells (nor fetch their tables)")
    parser.epilog = (f"Exit status: {DONE} every file has an answer; {REFUSED} some were refused, the reason is "
                     f"printed and in answers.csv; {WRONG_CALL} the call was wrong.")


def _classify(args: argparse.Namespace) -> int:
    from patchtype.classify import answer as answering
    from patchtype.classify import report
    from patchtype.recordings.sources import files_of

    listed = {given: files_of(given) if given.is_dir() else [given] for given in args.files}
    if empty := [given for given, paths in listed.items() if not paths]:
        print(f"error: found no .nwb file in {empty[0]}, expected recordings; name the files", file=sys.stderr)
        return WRONG_CALL
    if args.out.exists() and not args.out.is_dir():
        print(f"error: found a file at {args.out}, expected a folder for the pages; give another --out",
              file=sys.stderr)
        return WRONG_CALL
    references, note = ({}, "Not compared with published cells, as asked.") if args.no_reference else answering.known()
    if note and not args.no_reference:
        print(note, file=sys.stderr)
    answers, paths = [], [path for given in args.files for path in listed[given]]
    for path, name in zip(paths, _page_names(paths), strict=True):
        found = answering.classify(path, args.species, references)
        write_text(args.out / name, report.page(found, note))
        simulated = " (simulated)" if found.simulated else ""
        print(f"{path.name}{simulated}: {report.sentence(found)}", flush=True)
        answers.append(replace(found, traces=[]))  # they are on the page; of many files they would fill the memory
    write_text(args.out / "answers.csv", answering.as_table(answers).to_csv(index=False, lineterminator="\n"))
    print(f"{len(answers)} page(s) and answers.csv in {args.out}")
    return REFUSED if any(a.refusal for a in answers) else DONE


def _page_names(paths: list[Path]) -> list[str]:
    """A page name for each file; files of one name in different folders are numbered.

    Names that differ in capitals only would be one file on some disks, so they are numbered, too.
    """
    taken, names = set(), []
    for path in paths:
        stem = path.name.removesuffix(".nwb")
        tries = (stem if n == 1 else f"{stem}-{n}" for n in count(1))
        names.append(next(name for name in tries if name.casefold() not in taken))
        taken.add(names[-1].casefold())
    return [f"{name}.html" for name in names]


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, help="folder of weights and card (default: inside the package)")
    parser.add_argument("--species", choices=SPECIES, action="append", help="only this one; repeatable")
    parser.add_argument("--keep", action="store_true", help="keep the nested predictions in the folder science, too")
    parser.add_argument("--simulated", type=Path, metavar="DIR",
                        help="also say in the card how the simulated cells of this folder, made by extract, are named")


def _models(args: argparse.Namespace) -> int:
    from patchtype import cohorts
    from patchtype.classify import card, nesting, strangers, training
    from patchtype.evaluation import archive

    folder, met, detected, played = args.out or shipped(), {}, {}, {}
    for species in args.species or SPECIES:
        begun = time.process_time()
        model, nested = training.make(species)
        model.save(folder)
        if args.keep:
            archive.keep(nesting.KEPT + species, nested.assign(model="shipped classifier"), nesting.PROTOCOL,
                         cohort=cohorts.load(species, FEATURES), steps=nesting.STEPS,
                         minutes=round((time.process_time() - begun) / 60, 1))
        figures = model.about["figures"]
        print(f"{species}: macro-F1 {figures['macro_f1']:.3f}, calibration error {figures['calibration_error']:.3f}, "
              f"coverage {figures['sets']['all']['coverage']:.3f}, answered {figures['answered']:.3f}")
        met[species], detected[species] = strangers.met(model), strangers.detected(model, nested)
        if args.simulated:
            played[species] = strangers.simulated(model, args.simulated)
    write_bytes(folder / "CARD.md", card.markdown(folder, met, detected, played).encode())
    print(f"weights and model card in {folder}")
    return DONE


_COMMANDS = {"classify": (_add_classify, _classify), "models": (_add_models, _models)}
