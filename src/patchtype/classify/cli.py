"""Command line of the shipped classifiers: ``classify`` uses them, ``models`` makes them."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from patchtype.arguments import processes, seconds
from patchtype.files import write_bytes, write_text
from patchtype.taxonomy import SPECIES

#: Exit statuses: every cell has an answer or an abstention; some were refused; the call was wrong or the disk is full.
DONE, REFUSED, WRONG_CALL = 0, 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command in which the parser's ``prog`` ends."""
    command = parser.prog.split()[-1]
    parser.set_defaults(classify_command=command)
    _COMMANDS[command][0](parser)


def main(args: argparse.Namespace) -> int:
    """Run the command; see the exit statuses above."""
    from patchtype.classify.classifier import WeightsError
    from patchtype.recordings.sources import SourceError

    try:
        return _COMMANDS[args.classify_command][1](args)
    except (WeightsError, SourceError) as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_CALL


def _add_classify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", nargs="+", metavar="SOURCE",
                        help="NWB 2 or Axon files (.nwb, .abf), folders, addresses, a dandiset such as "
                        "000020/0.210913.1639, or tables of features (.csv; names and units of patchtype/features.csv)")
    parser.add_argument("--species", choices=SPECIES, help="for files that do not say it")
    parser.add_argument("--layer", metavar="LAYER", help="cortical layer of the cells, where it is known: 2, 2/3, 4, …")
    parser.add_argument("--electrode", metavar="NAME", help="only this electrode of files with several; without it "
                        "each electrode is a cell of its own")
    parser.add_argument("--protocol", action="append", default=[], type=_protocol, metavar="NAME=KIND",
                        help="what the stimulus of that name is, such as FI_curve=long_square, where the command does "
                        "not show it; * is every name; repeatable")
    parser.add_argument("--out", type=Path, default=Path("classified"),
                        help="folder of answers.csv and one HTML page a cell; a stopped run goes on there (default: "
                        "classified)")
    parser.add_argument("--jobs", type=processes, default=os.cpu_count(), metavar="N",
                        help="processes (default: one per core; 0: none)")
    parser.add_argument("--json", action="store_true", help="print one JSON object with every answer instead")
    parser.add_argument("--no-reference", action="store_true",
                        help="do not compare with the published cells (nor fetch their tables)")
    parser.add_argument("--stream", action="store_true", help="read remote NWB files in blocks, not whole")
    parser.add_argument("--timeout", type=seconds, default=60.0, help="seconds without a byte that end an attempt")
    parser.epilog = (f"Exit status: {DONE} every cell has an answer, or an abstention that says why; {REFUSED} some "
                     "were refused, the reason is printed and in answers.csv; "
                     f"{WRONG_CALL} the call was wrong, or the disk is full.")


def _protocol(text: str) -> tuple[str, str]:
    """As `patchtype.recordings.cli.protocol`, whose imports wait until they are needed."""
    from patchtype.recordings.cli import protocol

    return protocol(text)


def _classify(args: argparse.Namespace) -> int:
    import pandas as pd

    from patchtype.classify import answer as answering
    from patchtype.classify import many
    from patchtype.recordings import batch, sources
    from patchtype.recordings.text import as_csv, clean

    if args.out.exists() and not args.out.is_dir():
        print(f"error: found a file at {args.out}, expected a folder for the pages; give another --out",
              file=sys.stderr)
        return WRONG_CALL
    for folder in filter(os.path.isdir, args.source):
        sources.find(folder)  # an empty one among others is a mistake, too
    assets = sources.find(args.source)
    note = "Not compared with published cells, as asked."
    if not args.no_reference and (note := answering.known()[1]):
        print(note, file=sys.stderr)
    options = batch.Options(electrode=args.electrode, protocol=tuple(args.protocol), stream=args.stream,
                            timeout=args.timeout)
    question = many.Question(args.species, args.layer, not note, note, options)
    rows = many.run(assets, args.out, question, args.jobs, progress=not args.json)
    write_text(args.out / "answers.csv", as_csv(pd.DataFrame(rows)))
    if args.json:
        print(json.dumps({"out": str(args.out), "answers": rows}))
    else:
        for row in rows:
            print(f"{clean(row['cell_id'])}{' (simulated)' * row['simulated']}: {row['sentence']}")
        print(f"{len(rows)} page(s) and answers.csv in {args.out}")
    return REFUSED if any(row["verdict"] == "refused" for row in rows) else DONE


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, help="folder of weights and card (default: inside the package)")
    parser.add_argument("--species", choices=SPECIES, action="append", help="only this one; repeatable")
    parser.add_argument("--keep", action="store_true", help="keep the nested predictions in the folder science, too")
    parser.add_argument("--simulated", type=Path, metavar="DIR",
                        help="also say in the card how the simulated cells of this folder, made by extract, are named")
    parser.add_argument("--json", action="store_true", help="print one JSON object with the figures instead")


def _models(args: argparse.Namespace) -> int:
    from patchtype.classify import card, fitting, nesting, strangers, training
    from patchtype.classify.classifier import shipped
    from patchtype.evaluation import archive

    folder, told, made = args.out or shipped(), {}, {}
    for species in args.species or SPECIES:
        begun = time.process_time()
        model, nested = training.make(species)
        model.save(folder)
        if args.keep:
            archive.keep(nesting.KEPT + species, nested, nesting.PROTOCOL, cohort=fitting.load(species),
                         steps=nesting.STEPS, cpu_minutes=round((time.process_time() - begun) / 60, 1))
        made[species] = model.about["figures"]
        for pattern, figures in {} if args.json else made[species].items():
            print(f"{species}, {pattern}: macro-F1 {figures['macro_f1']:.3f}, calibration error "
                  f"{figures['calibration_error']:.3f}, answered {figures['answered']:.3f}", flush=True)
        told[species] = {"met": strangers.met(model), "detected": strangers.detected(model, nested),
                         "elsewhere": strangers.elsewhere(model)}
        if args.simulated:
            told[species]["simulated"] = strangers.simulated(model, args.simulated)
    write_bytes(folder / "CARD.md", card.markdown(folder, told).encode())
    print(json.dumps({"out": str(folder), "figures": made}) if args.json else f"weights and model card in {folder}")
    return DONE


_COMMANDS = {"classify": (_add_classify, _classify), "models": (_add_models, _models)}
