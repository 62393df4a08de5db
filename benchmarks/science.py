"""The goals of the book against the kept predictions: goal, value, interval and verdict, one line each.

    python benchmarks/science.py            read the predictions kept in the folder science
    python benchmarks/science.py --rerun    compute those of the better model anew first (about half an hour)
"""

from __future__ import annotations

import argparse
import sys

from patchtype import cohorts
from patchtype.__main__ import main as helpers
from patchtype.evaluation import archive
from patchtype.experiments import goals
from patchtype.experiments.experiment import load
from patchtype.experiments.nearby import OWN, SETTINGS, TOLD


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rerun", action="store_true", help="compute the predictions of the better model anew first")
    args = parser.parse_args()
    if args.rerun and (status := helpers(["better", "--again"])):
        return status
    try:
        data = load()
        table = goals.table(data)
        needed = goals.cells_for_gain(data["human"])
        nearby = goals.nearby_scores(data)
    except (cohorts.DataUnavailable, cohorts.TableError, archive.ArchiveError) as error:
        print(f"No verdict: {error}", file=sys.stderr)
        return 3
    if table.empty:
        print("Nothing is kept yet: run `patchtype better`", file=sys.stderr)
        return 3
    for row in table.itertuples(index=False):
        print(f"{row.goal} ({row[1]}, {row.cells:,} cells): goal {row.needed:.2f}, value {row.value:.3f}, "
              f"interval over {row.covers} {row.low:.3f} to {row.high:.3f}: {row.verdict}")
    if nearby is not None:
        told, settings = nearby[TOLD], nearby[list(SETTINGS)]
        print(f"mouse to human, {len(settings)} settings near the model's on development donors: mean "
              f"{settings.mean():.3f}, sd {settings.std():.3f}, {settings.min():.3f} to {settings.max():.3f}; "
              f"its own {settings[OWN]:.3f}; {TOLD} {told:.3f}")
    if needed:
        print(f"human cells that would show a gain as small as the paper's four times in five: about {needed:,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
