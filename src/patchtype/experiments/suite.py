"""``patchtype suite``: the three human regimes over all repeats and folds, paired, kept on disk.

Folds are spread over processes of one thread each; the mouse model is trained once per repeat and shared.
What is written to ``_build/suite``: ``predictions.parquet`` (out of fold, one row per regime, cell and
repeat), ``scores.csv`` (one row per regime and fold) and ``suite.json`` (settings, gains, time). With ``--keep``
the predictions also go to ``science``, where a chapter reads them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import pandas as pd

from patchtype import cohorts
from patchtype.arguments import count, jobs
from patchtype.evaluation import archive
from patchtype.evaluation.metrics import SCORES, fold_differences, fold_scores, paired_difference, summary
from patchtype.evaluation.power import smallest_gain
from patchtype.evaluation.predictions import evaluate
from patchtype.evaluation.protocols import CrossValidation
from patchtype.experiments.regimes import REGIMES, STOP_ON, pretrain, regimes
from patchtype.files import write_parquet, write_text
from patchtype.models.network import INPUTS
from patchtype.models.training import Plan
from patchtype.settings import build_folder

#: How a token enters the network → name of the experiment in the folder ``science``, and of the folder of a run.
KEPT = {"layer norm": "suite", "family embedding": "suite_embedding"}
#: Settings of what is kept; a chapter would read a run with others as if it were one of these.
SETTINGS = {"cohort": "published", "grouped": False, "stopping": "matched", "precision": "float32", "epochs": None}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cohort", default="published", choices=cohorts.SOURCES, help="whose cells")
    parser.add_argument("--repeats", type=count, default=10,
                        help="times that the human cells are cut (default: %(default)s)")
    parser.add_argument("--folds", type=count, default=5, help="parts they are cut into (default: %(default)s)")
    parser.add_argument("--grouped", action="store_true", help="keep donors apart, in folds and in validation")
    parser.add_argument("--stopping", default="matched", choices=STOP_ON, help="scores that stop the training")
    parser.add_argument("--inputs", default=INPUTS[0], choices=INPUTS, help="how a token enters the network")
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"), help="of matrix products")
    parser.add_argument("--epochs", type=count, help="at most so many in each stage, for a quick look")
    jobs(parser)
    parser.add_argument("--out", type=Path, dest="folder",
                        help="where to write (default _build/suite, with family embedding _build/suite_embedding)")
    parser.add_argument("--keep", action="store_true", help="keep the predictions in the folder science, too")
    parser.add_argument("--json", action="store_true", help="print the JSON object of suite.json instead of lines")


def main(args: argparse.Namespace) -> int:
    """Run, write, print one line per regime; exit 2 when cells cannot be cut so."""
    if args.keep and (other := [f"--{name}" for name, value in SETTINGS.items() if getattr(args, name) != value]):
        print(f"error: found --keep with {' and '.join(other)}, expected the settings that the chapters read; leave "
              "--keep out, the run is written to --out as well", file=sys.stderr)
        return 2
    start = time.perf_counter()
    mouse = cohorts.load("mouse", "aligned", source=args.cohort).four_classes()
    human = cohorts.load("human", "aligned", source=args.cohort)
    protocol = CrossValidation(args.folds, args.repeats, grouped=args.grouped)
    try:  # before the first minutes of training
        next(protocol.folds(human))
    except ValueError as error:
        print(f"error: found --folds {args.folds}, expected a number of parts that {len(human)} cells can be cut into; "
              f"choose another ({str(error).rstrip('.')})", file=sys.stderr)
        return 2
    predictions = run(mouse, human, protocol, args.stopping, args.jobs, inputs=args.inputs, grouped=args.grouped,
                      epochs=args.epochs, plan=Plan(precision=args.precision))
    seconds = time.perf_counter() - start
    settings = {name: value for name, value in vars(args).items() if name not in ("folder", "keep", "json", "command")}
    folder = args.folder or build_folder() / KEPT[args.inputs]
    write(folder, predictions, protocol, seconds, settings)
    if args.keep:
        archive.keep(KEPT[args.inputs], predictions, protocol, cohort=human, partner=archive.identity(mouse),
                     minutes=round(seconds / 60, 1), processes=args.jobs)
    if args.json:
        print((folder / "suite.json").read_text("utf-8"), end="")
        return 0
    print(describe(predictions, protocol))
    print(f"{len(fold_scores(predictions))} fits in {seconds / 60:.1f} minutes on {args.jobs} processes")
    return 0


def run(mouse, human, protocol, stopping: str = "matched", n_jobs: int = 1, **options) -> pd.DataFrame:
    """Out-of-fold predictions of the three regimes on human cells; ``options`` go to every `BiLSTM`."""
    donors = pretrain(mouse, protocol.n_repeats, n_jobs, **options)
    return evaluate(regimes(mouse, donors, stopping, **options), human, protocol, n_jobs)


def out_of_fold(mouse, human, protocol, inputs: str = INPUTS[0], n_jobs: int = 1, **options) -> pd.DataFrame:
    """Predictions of the three regimes: those kept of these cells of both species and these folds, or else `run`.

    Parameters: ``inputs``, how a token enters the network; ``options``, what `run` takes, where it has to run.
    """
    try:
        if archive.provenance(KEPT[inputs])["partner"] == archive.identity(mouse):
            return archive.recall(KEPT[inputs], human, protocol)
    except archive.ArchiveError:
        pass
    return run(mouse, human, protocol, n_jobs=n_jobs, inputs=inputs, **options)


def gains(predictions: pd.DataFrame, protocol) -> pd.DataFrame:
    """Gain of each regime over human cells alone: mean, interval, p, and the smallest gain the test can see."""
    rows = {}
    for regime in REGIMES[1:]:
        estimate = paired_difference(predictions, regime, REGIMES[0], protocol)
        differences = fold_differences(predictions, regime, REGIMES[0])
        rows[regime] = estimate._asdict() | {"smallest_gain": smallest_gain(differences, protocol.test_to_train)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("regime")


def describe(predictions: pd.DataFrame, protocol) -> str:
    """Scores and gains in a few lines."""
    lines = [
        f"{name:<12} macro-F1 {row['macro_f1']:.3f} ({row['macro_f1_low']:.3f} to {row['macro_f1_high']:.3f}), "
        f"accuracy {row['accuracy']:.3f}" for name, row in summary(predictions, protocol).iterrows()
    ]
    lines += [
        f"{name:<12} gain {row['mean']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f}), corrected p {row['p']:.2g}; "
        f"smallest gain seen with 80 % power {row['smallest_gain']:.3f}"
        for name, row in gains(predictions, protocol).iterrows()
    ]
    return "\n".join(lines)


def write(folder: Path, predictions: pd.DataFrame, protocol, seconds: float, settings: dict) -> None:
    """Each of the three files whole or not at all; `suite.json` last, so that its presence says all are there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "suite.json").unlink(missing_ok=True)
    write_parquet(folder / "predictions.parquet", predictions)
    write_text(folder / "scores.csv", fold_scores(predictions)[list(SCORES)].to_csv())
    # Too few folds give no interval; JSON says so with null, it has no NaN.
    found = gains(predictions, protocol).astype(object)
    content = {"protocol": str(protocol), "seconds": round(seconds, 1), "settings": settings,
               "gains": found.where(found.notna(), None).to_dict(orient="index")}
    text = json.dumps(content, indent=1, sort_keys=True, default=str, allow_nan=False)
    write_text(folder / "suite.json", text + "\n")
