"""How much of the label-free model's score is its setting: all settings near it, and ranks with the mixture known.

Every setting names all human cells, as the model of the chapter does, and what is kept are the development cells.
No setting is chosen here. `TOLD` is no model that anyone could use: its ranks are balanced with the true labels,
which is the best that balancing by predicted ones could come to. It reads development cells alone, and so does
`PREDICTED`, the same with the labels that the model predicts.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product

import numpy as np
import pandas as pd

from patchtype.cohorts import Cohort
from patchtype.evaluation.predictions import as_table
from patchtype.experiments.better_model import SEED
from patchtype.experiments.experiment import Experiment, Piece, development, everyone
from patchtype.models.zero_shot import ZeroShot

THRESHOLDS, SNCG, SHARES = (0.4, 0.5, 0.6, 0.7, 0.8), (("Vip", "drop"), ("Vip",), ("drop",)), (0.7, 0.8, 0.9)

#: Name of a setting → arguments of `ZeroShot`; the chapter's own is among them.
SETTINGS = {
    f"consistency {threshold}, Sncg {' and '.join(sncg)}, share {share}":
        {"threshold": threshold, "sncg": sncg, "share": share}
    for threshold, sncg, share in product(THRESHOLDS, SNCG, SHARES)
}
OWN = "consistency 0.6, Sncg Vip and drop, share 0.8"
TOLD, PREDICTED = "ranks balanced with true labels", "ranks balanced with predicted labels"


PROTOCOL = "mouse labels only, transductive on all human cells; balanced ranks, on development cells"


def _named(threshold: float, mouse: Cohort, human: Cohort, cells: Cohort) -> pd.DataFrame:
    """All settings of one threshold; they share the two alignments, one for each place of Sncg."""
    rows = human.cells.index.get_indexer(cells.cells.index)
    aligned = {rule: ZeroShot(SEED, steps=2, sncg=(rule,), threshold=threshold).name(mouse, human) for rule in SNCG[0]}
    tables = []
    for name, setting in SETTINGS.items():
        if setting["threshold"] == threshold:
            start = np.mean([aligned[rule] for rule in setting["sncg"]], axis=0)
            said = ZeroShot(SEED, **setting).self_trained(start, human.table)
            tables.append(as_table(name, everyone(cells), cells, said[rows]))
    return pd.concat(tables, ignore_index=True)


def _told(mouse: Cohort, cells: Cohort) -> pd.DataFrame:
    true = 1 / np.bincount(cells.y, minlength=len(cells.classes)).clip(1)[cells.y]
    return pd.concat([as_table(name, everyone(cells), cells, ZeroShot(SEED, steps=2).name(mouse, cells, weights=known))
                      for name, known in ((TOLD, true), (PREDICTED, None))], ignore_index=True)


def _pieces(data, cells: Cohort) -> Iterator[Piece]:
    human, mouse = data["human"], data["mouse aligned"]
    yield partial(_told, mouse, cells)
    for threshold in THRESHOLDS:
        yield partial(_named, threshold, mouse, human, cells)


EXPERIMENTS = {
    "nearby_settings": Experiment(
        lambda data: development(data["human"]), PROTOCOL, _pieces),
}
