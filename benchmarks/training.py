"""Wall time of the three human regimes against a plain implementation of the same protocol (`plain.py`).

Both sides train the same network on the same folds for the same number of epochs, one after the other in
one run: first the plain side, one fold at a time on all cores; then this package, folds over processes of one
thread. The mouse model is trained once per repeat on both sides, and is timed as well. Each side has processes
of its own, in which nothing else is done, and they are warm, as a suite of many folds pays for that once. The
plain side's time is taken in its process, so that it does not pay for handing cells over; here that is part of
the time.

Two data sets: random numbers of the paper's shape, twelve families of 150 columns, and the aligned published
features. Beside the ratio stand the arithmetic rate per core, the machine's own rates of matrix products, by
PyTorch's `@` and by oneDNN, and the difference of macro-F1 on the published cells.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor

import joblib
import numpy as np
import pandas as pd
import plain
import torch

from patchtype import cohorts, taxonomy
from patchtype.cohorts import Cohort
from patchtype.evaluation import CrossValidation, as_table, corrected_mean, fold_differences
from patchtype.experiments.regimes import REGIMES, pretrain, regimes
from patchtype.models import onednn as product
from patchtype.models.bilstm import BiLSTM
from patchtype.models.tokens import FamilyTokens
from patchtype.models.training import Plan

HIDDEN = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=("random", "published", "both"), default="both")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes here (default: one per core)")
    parser.add_argument("--threads", type=int, help="threads of the plain side (default: as many as processes)")
    parser.add_argument("--rounds", type=int, default=5, help="times that each regime is timed on both sides")
    parser.add_argument("--epochs", type=int, help="of each stage; up to 7, so that nothing stops early")
    parser.add_argument("--precision", choices=("float32", "bfloat16"),
                        help="of matrix products here; the plain side has float32 (default: those of `PRECISIONS`)")
    args = parser.parse_args()
    args.threads = args.threads or args.jobs
    if not 1 <= (args.epochs or 1) <= 7:
        parser.error(f"found --epochs {args.epochs}, expected 1 to 7; with more, one side may stop earlier")
    print(f"load before the run {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with joblib.parallel_config("loky", n_jobs=args.jobs):
        for name in ("random", "published") if args.data == "both" else (args.data,):
            mouse, human, epochs = DATA[name]()
            for precision in [args.precision] if args.precision else PRECISIONS[name]:
                compare(name, mouse, human, args.epochs or epochs, precision, args)


def random_cells(n: int, species: str, seed: int) -> Cohort:
    """Cells of random features in twelve families, 149 columns and the share of missing ones."""
    rng = np.random.default_rng(seed)
    names = [[f"f{family}_{i}" for i in range(149)] for family in range(12)]
    index = [f"{species}-{i}" for i in range(n)]
    subclass = rng.choice(taxonomy.HUMAN_SUBCLASSES, n, p=[0.1, 0.5, 0.25, 0.15])
    cells = pd.DataFrame({"species": species, "subclass": subclass, "donor": index, "source": "simulated"}, index)
    table = pd.DataFrame(rng.standard_normal((n, 12 * 149)), index, sum(names, []))
    return Cohort.build(cells, table, {f"f{i}": family for i, family in enumerate(names)}, taxonomy.HUMAN_SUBCLASSES)


#: Data set → mouse cells, human cells, epochs of each stage. Random cells are as many as the paper's.
DATA = {
    "random": lambda: (random_cells(3699, "mouse", 0), random_cells(506, "human", 1), 4),
    "published": lambda: (cohorts.load("mouse").four_classes(), cohorts.load("human"), 6),
}


#: Lower precision is for cells on which its macro-F1 can be held against that of the plain side.
PRECISIONS = {"random": ("float32",), "published": ("float32", "bfloat16")}
#: Ratio over all regimes that is aimed at.
GOALS = {("random", "float32"): 1.6, ("published", "bfloat16"): 2.5}


def compare(name: str, mouse: Cohort, human: Cohort, epochs: int, precision: str, args) -> None:
    jobs, plan = args.jobs, Plan(precision=precision)
    folds = list(CrossValidation(5, args.rounds).folds(human))
    # A process imports its libraries with its first task, and is replaced by joblib when it has grown by much
    # since; a suite pays for that once. So each starts with the largest fit that it will see.
    pretrain(mouse, jobs, jobs, epochs=1, plan=plan)
    joblib.Parallel()(joblib.delayed(our_fold)(lambda seed: BiLSTM(seed, epochs=1), human, folds[0])
                      for _ in range(jobs))
    mouse_tokens = FamilyTokens().fit(mouse).transform(mouse)
    scaled_mouse = mouse_tokens.numpy(), mouse.y
    rates = joblib.Parallel()(joblib.delayed(product_rates)() for _ in range(jobs))
    sgemm, fastest = (statistics.mean(rate) for rate in zip(*rates, strict=True))
    print(f"\n{name}, {precision}: {len(human)} human cells, {len(mouse)} mouse cells, {epochs} epochs a stage, "
          f"{jobs} processes against {args.threads} threads;\n"
          f"  per process {sgemm:.0f} GFLOP/s of sgemm by PyTorch's @, {fastest:.0f} by oneDNN")
    flops = flops_per_cell(*mouse_tokens.shape[1:])
    work = {regime: 2 * jobs * flops * cells_read(regime, len(human), len(mouse), epochs) for regime in REGIMES}
    work["mouse model"] = jobs * flops * epochs * (3 * 0.8 + 0.2) * len(mouse)
    seconds, tables = {}, []
    for turn in range(args.rounds):
        sample = [fold for fold in folds if fold.repeat == turn][: 2 * jobs]
        # How often a process asks the kernel for memory depends on where its heap happens to lie: one for each round.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
            for part, pair, predictions in one_round(alone, sample, mouse, human, scaled_mouse, epochs, plan, args):
                seconds.setdefault(part, []).append(pair)
                tables += predictions

    for part, pairs in seconds.items():
        report(part, pairs, work[part], jobs, sgemm, fastest)
    regime_pairs = [tuple(sum(side) for side in zip(*(seconds[r][turn] for r in REGIMES), strict=True))
                    for turn in range(args.rounds)]
    report("all regimes", regime_pairs, sum(work[r] for r in REGIMES), jobs, sgemm, fastest)
    if (name, precision) in GOALS:
        reached = statistics.median(a / b for a, b in regime_pairs)
        goal = GOALS[name, precision]
        print(f"  goal for all regimes {goal:.1f}: {'reached' if reached >= goal else 'missed'} ({reached:.2f})")
    if name == "published":
        table = pd.concat(tables, ignore_index=True)
        for regime in REGIMES:
            values = fold_differences(table, f"{regime}, here", f"{regime}, plain")
            gap = corrected_mean(values, 0.25)
            print(f"  {regime:<12} macro-F1 here minus plain {gap.mean:+.3f} "
                  f"({gap.low:+.3f} to {gap.high:+.3f}, {len(values)} folds)")


def one_round(alone, sample, mouse: Cohort, human: Cohort, scaled_mouse, epochs: int, plan: Plan, args):
    """Each part with its seconds on both sides and the tables of what both predict; ``alone`` runs the plain side."""
    alone.submit(in_turn, args.threads, plain_mouse, [(scaled_mouse, 0, 1)]).result()
    # On the plain side one mouse model after the other; here as many at once as there are processes.
    tasks = [(scaled_mouse, seed, epochs) for seed in range(args.jobs)]
    there, models = alone.submit(in_turn, args.threads, plain_mouse, tasks).result()
    here, donors = timed(lambda: pretrain(mouse, args.jobs, args.jobs, epochs=epochs, plan=plan))
    yield "mouse model", (there, here), []
    builders = regimes(mouse, {sample[0].repeat: donors[0]}, epochs=epochs, plan=plan)
    for regime in REGIMES:
        tasks = [(regime, human, fold, scaled_mouse, models[0], epochs) for fold in sample]
        there, theirs = alone.submit(in_turn, args.threads, plain_fold, tasks).result()
        tasks = [joblib.delayed(our_fold)(builders[regime], human, fold) for fold in sample]
        here, ours = timed(lambda tasks=tasks: joblib.Parallel()(tasks))
        yield regime, (there, here), [
            as_table(f"{regime}, {side}", fold, human.take(fold.test), p)
            for side, predicted in (("plain", theirs), ("here", ours))
            for fold, p in zip(sample, predicted, strict=True)]


def report(part: str, pairs, flops: float, jobs: int, sgemm: float, fastest: float) -> None:
    there, here = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratios = [a / b for a, b in pairs]
    rate = flops / here / jobs / 1e9
    print(f"  {part:<12} plain {there:6.1f} s  here {here:6.1f} s  ratio {statistics.median(ratios):.2f} "
          f"({min(ratios):.2f} to {max(ratios):.2f})  {rate:.0f} GFLOP/s per core, "
          f"{rate / sgemm:.0%} of sgemm, {rate / fastest:.0%} of oneDNN's")


def timed(run):
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def in_turn(threads: int, run, tasks: list[tuple]) -> tuple[float, list]:
    """Seconds and results of one task after the other in this process, on so many threads."""
    torch.set_num_threads(threads)
    return timed(lambda: [run(*task) for task in tasks])


def plain_mouse(mouse, seed, epochs):
    return plain.pretrain(tuple(map(torch.from_numpy, mouse)), seed, epochs)


def plain_fold(regime, human, fold, mouse, donor, epochs):
    train, test = human.take(fold.train), human.take(fold.test)
    scaler = FamilyTokens().fit(train)
    network = plain.fit(regime, scaler.transform(train), torch.from_numpy(train.y),
                        tuple(map(torch.from_numpy, mouse)), donor, fold.seed, epochs)
    with torch.no_grad():
        return torch.softmax(network.eval()(scaler.transform(test)), 1).numpy()


def our_fold(build, human, fold):
    torch.set_num_threads(1)
    model: BiLSTM = build(fold.seed).fit(human.take(fold.train))
    return model.predict_proba(human.take(fold.test))


def product_rates(n: int = 1024, repeats: int = 20) -> tuple[float, float]:
    """GFLOP/s of one thread multiplying two square float32 matrices, the best of some tries: by `@`, by oneDNN.

    Where there is no oneDNN its rate is that of `@`.
    """
    torch.set_num_threads(1)
    a, b = torch.randn(n, n), torch.randn(n, n)
    runs = torch.matmul, product.product if product.ONEDNN else torch.matmul
    seconds = [min(timed(lambda run=run: run(a, b))[0] for _ in range(repeats)) for run in runs]
    return tuple(2 * n**3 / s / 1e9 for s in seconds)


def flops_per_cell(tokens: int, width: int) -> float:
    """Of one forward pass: the matrix products of both LSTM directions and of attention."""
    return tokens * 2 * (2 * 4 * HIDDEN * (width + HIDDEN) + 2 * HIDDEN * 128)


def cells_read(regime: str, n_human: int, n_mouse: int, epochs: int) -> float:
    """Forward passes of one fit, a training pass counting three: its backward pass costs two more."""
    own, held = 0.8 * 0.8 * n_human, 0.8 * 0.2 * n_human
    alone = epochs * (3 * own + held)
    if regime == "human only":
        return alone
    if regime == "pretrained":
        return own + held + alone
    steps = np.ceil(n_mouse / 64)
    return epochs * (3 * (n_mouse + steps * own / np.ceil(own / 64)) + held) + alone


if __name__ == "__main__":
    main()
