"""The model card: what the weights are, what they were measured at, and what they must not be used for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from patchtype.classify import nesting, patterns
from patchtype.classify.classifier import load
from patchtype.classify.judgement import least
from patchtype.classify.strangers import VERDICTS
from patchtype.taxonomy import SPECIES

_HEAD = """# Model card: subclass of a cortical interneuron from its current-clamp recording

Made by `patchtype models`; do not edit. The weights are plain arrays in safetensors files.

## What it does

From the scalar features that a recording gives ({features}) it makes calibrated probabilities of the transcriptomic
subclasses, a set that holds the right one at a stated rate in each subclass ({held}), a flag for cells unlike those it
has learnt from, and a flag for cells that look excitatory. One classifier a species.

Every answer needs long steps of current, one of which makes the cell fire. A ramp, a short square and a downward step
may be missing. Each *pattern* of protocols has models, calibration and limits of its own, learnt from cells that have
these protocols, with all other features left out; a cell is answered by the richest pattern that it has. An earlier
classifier was trained on cells as they had been recorded. There, which protocol was missing told of the subclass, and
where a protocol is missing in a user's cell it told wrongly.

Human answers use {n_human} features of the human table that steps give, those whose definition is published. Ramps and
short squares add nothing to them (macro-F1 of development donors 0.81 with, 0.82 without), so human cells have two
patterns, each with and without a layer. Mouse answers use features
that mean the same on any rig. Left out are those that change with the time a rig records after a pulse (with them
nearly every interneuron of the Allen Cell Types Database looks foreign), with the length of a pulse, with the strongest
step or with a filter.

The model is support vectors with a radial kernel on features made near normal (Yeo-Johnson), read in two ways, for
human averaged with a linear discriminant. Boosted trees, quadratic discriminants, extra trees and a small network were
tried beside them, by cross-validation on development donors, and added nothing.

The stated rate of the human sets is lower. At 90 % most of them would hold two subclasses or more, and only a quarter
would name one; the rate was set after seeing that.

**The layer**, where the experimenter knows it, may be told for human cells (`--layer`). That is a task of its own: its
gain is partly knowledge of how these cells were sampled, for layers were not sampled alike for all subclasses. Where
yours were chosen otherwise, by a reporter line or by one layer, it misleads. The gain is small: compare the row with
the layer told with that of the same cells without it, not with that of all cells, for cells whose layer nobody wrote
down are the harder ones. With layers permuted among cells, macro-F1 was 0.832 and log loss 0.394. To mouse answers the
layer adds next to nothing, so it is not asked.

*Unlike* goes by the distance to the nearest subclass and has been shown no strange cell. *Excitatory* goes by support
vectors that were shown excitatory cells: those of the Allen Cell Types Database with spiny dendrites, against the
published interneurons and the database's aspiny cells. Half of its donors made this guard, the other half measure it.

## Intended use

Exploring one's own Patch-seq or patch-clamp recordings of cortical interneurons, teaching, and choosing cells for
sequencing. It does not replace sequencing. Not for clinical decisions. Not for other species, other brain regions,
or voltage clamp. An excitatory cell is mostly recognised, not always: see the tables below.

## How it was measured

Donors apart throughout, in nested folds over all donors. The models that predict a fold have not seen it. Temperature,
set limits and limits of both flags come from the other folds, each predicted by models that have seen neither it nor
the judged fold: nothing that judges a cell has seen its donor. Features, models and how they are averaged were chosen
before, by cross-validation on the development donors of `patchtype.evaluation.final`, of which these folds are largely
made; the final donors took no part in that. A first nested run of the human classifier had four features more, for
which no definition is published. They were taken out because no recording can give them; it stood at 0.811.

*Least* is the subclass whose answered cells are right least often. A row of a pattern holds every published cell that
has at least its protocols, read as if nothing else had been recorded.

Both flags were chosen on the half of the database's donors that made the guard, with other groups of strangers. The
half that measures was looked at after that, and motor cortex too; the guard's kernel is as it was then.
"""

_LIMITS = """
## Limits

- The labels come from gene expression of the same cells. They carry errors of their own.
- **Features measured here and in the tables.** The tables were computed by their authors with other versions of IPFX
  and other sweeps chosen. Two published extractions of the same mouse cells agree within 1 % for most features, least
  for short squares and spike width (`patchtype.cohorts.published.alignment_check`). The mouse table's spike width
  was measured behind a 1 kHz filter and scaled by 0.98; a recording's is measured behind none. The extraction here
  could not be compared with the tables on real raw files. Until it is, read answers for a new rig as a hypothesis.
- **Other steps.** The published steps last 1 s. With shorter ones rates, adaptation, latencies and the area of the sag
  are not the same numbers; how much that costs could not be measured. A page says so where it applies.
- The guard has seen excitatory cells of one database, and needs the features. Where many are filled by medians, as for
  motor cortex, it is worthless. Such cells are called unlike for what they lack. Cells of the database lack five mouse
  features themselves (spike width and four of the firing pattern), and most of the human ones.
- How well a guard does in motor cortex, made anew, is the best hint at another rig. It was not tuned there, but a poor
  figure of an earlier guard was the reason to look for a wider kernel, so the present one may be a little too good.
- Calibration and coverage hold for cells like those of the tables: the same laboratory, stimuli, temperature and share
  of subclasses. Class-wise sets survive another share of subclasses, probabilities do not.
- The guarantee of the sets is that of split calibration; limits from cross-fitting, used with models fitted on all
  cells, keep it nearly. The measured coverage above is the evidence.
- Human cells: most slices were cultured, all from surgery; both change the electrical phenotype.
"""


def markdown(folder: Path, told: dict[str, dict] | None = None) -> str:
    """The card of all weights in a folder.

    ``told``: species → what the functions ``met``, ``detected``, ``elsewhere`` and ``simulated`` of
    `patchtype.classify.strangers` gave, by their names.
    """
    models = [load(species, folder) for species in SPECIES if (folder / f"{species}.json").exists()]
    parts = [_HEAD.format(
        features=", ".join(f"{len(m.features)} for {m.species}" for m in models),
        held=" and ".join(f"{1 - m.about['miss']:.0%} for {m.species}".replace("%", " %") for m in models),
        n_human=len(patterns.features("human")))]
    writers = {"elsewhere": _elsewhere, "met": _strangers, "detected": _detected, "simulated": _simulated}
    for model in models:
        found = (told or {}).get(model.species, {})
        parts += [_species(model), *(write(found[name]) for name, write in writers.items()
                                     if name in found and len(found[name]))]
    return "\n".join(parts) + _LIMITS


def row(name: str, f: dict) -> str:
    """The card's row of one pattern.

    >>> row("full", {"cells": 1200, "macro_f1": 0.9, "accuracy": 0.92, "calibration_error": 0.01, "answered": 0.8,
    ...     "accuracy_answered": 0.95, "right_answered": {"Sst": (50, 0.9)}})
    '| full | 1,200 | 0.900 | 0.920 | 0.010 | 0.800 | 0.950 | Sst 0.900 (50) |'
    """
    subclass, n, right = least(f)
    return (f"| {name} | {f['cells']:,} | {f['macro_f1']:.3f} | {f['accuracy']:.3f} | {f['calibration_error']:.3f} "
            f"| {f['answered']:.3f} | {f['accuracy_answered']:.3f} | {subclass} {right:.3f} ({n}) |")


def _species(model) -> str:
    about = model.about
    tables = ", ".join(f"`{name}` (sha256 {sha}…)" for name, sha in about["tables"].items())
    rows = "\n".join(row(name, f) for name, f in about["figures"].items())
    return f"""
## {model.species.capitalize()}

Data: {sum(about['cells'].values()):,} published cells of {about['donors']:,} donors. Seed {about['seed']}.
Tables: {tables}.
Protocol: {about['protocol']}.

| Pattern | Cells | Macro-F1 | Accuracy | Calibration error | Answered | Right of the answers | Least (answered) |
|---|---|---|---|---|---|---|---|
{rows}
{_whole(about)}
"""


def _whole(about: dict) -> str:
    f = about["figures"][nesting.AS_RECORDED]
    low, high = f["calibration_error_interval"]
    rows = "\n".join(
        f"| {c} | {about['cells'][c]:,} | {f['f1'][c]:.3f} | {sets['coverage']:.3f} | {sets['size']:.2f} "
        f"| {f['excitatory_alarms_by_class'][c]:.3f} |" for c, sets in f["sets"].items() if c != "all")
    return f"""
Every cell by the richest pattern that it has:

| Figure, on donors not seen | Value |
|---|---|
| macro-F1 | {f['macro_f1']:.3f} |
| accuracy | {f['accuracy']:.3f} |
| macro-F1 before calibration | {f['macro_f1_uncalibrated']:.3f} |
| expected calibration error (95 %, by donors) | {f['calibration_error']:.3f} ({low:.3f} to {high:.3f}) |
| the same before calibration | {f['calibration_error_uncalibrated']:.3f} |
| Brier score | {f['brier']:.3f} |
| log loss, before calibration | {f['log_loss']:.3f}, {f['log_loss_uncalibrated']:.3f} |
| cells answered | {f['answered']:.3f} |
| accuracy of the answers | {f['accuracy_answered']:.3f} |
| cells falsely called unlike (stated: {about['false_alarm']:.2f}) | {f['false_alarms']:.3f} |
| cells falsely called excitatory (stated: {about['excitatory_alarm']:.2f}) | {f['excitatory_alarms']:.3f} |
| coverage of the sets (stated: {1 - about['miss']:.2f}) | {f['sets']['all']['coverage']:.3f} |

| Subclass | Cells | F1 | Coverage of sets | Mean size of sets | Called excitatory |
|---|---|---|---|---|---|
{rows}"""


def _share(value) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"


def _elsewhere(table) -> str:
    rows = "\n".join(f"| {name} | {int(r['cells']):,} | " + " | ".join(
        _share(r[c]) for c in ("macro_f1", "accuracy", "answered", "accuracy_answered")) + " |"
        for name, r in table.iterrows())
    return f"""
Cells of other laboratories and platforms. Macro-F1 and accuracy name every cell, whatever its flags say. *Motor* (room
temperature) gives a third of the features, so the shipped classifier abstains from all of it; below stands what models
of its own features do on four subclasses, with each set z-scored by itself. Labels of the *cell types* are driver
lines, which mark some cells of other subclasses. *Layer 1* is few cells, nearly all Lamp5, and most are of animals that
training has seen: for its row the models were fitted without these animals.

| Set | Cells | Macro-F1 | Accuracy | Answered | Right of the answers |
|---|---|---|---|---|---|
{rows}
"""


def _strangers(table) -> str:
    rows = "\n".join(
        f"| {name} | {int(r['cells']):,} | " + " | ".join(f"{r[verdict]:.3f}" for verdict in VERDICTS) + " |"
        for name, r in table.iterrows())
    return f"""
What becomes of cells that should get no answer (and of one control group), as shares. Excitatory cells and controls
are of donors that did not make the guard. Wrong units were put into the published cells on purpose; the quality check
refuses most such files before.

| Group | Cells | {" | ".join(verdict.capitalize() for verdict in VERDICTS)} |
|---|---|{"---|" * len(VERDICTS)}
{rows}
"""


def _detected(table) -> str:
    def told(row_, name):
        return f"{row_[name]:.3f} ({row_[name + '_low']:.3f} to {row_[name + '_high']:.3f})"

    rows = "\n".join(
        f"| {flag} | {group} | {told(r, 'auc')} | {told(r, 'found')} | {_share(r['flagged'])} | {_share(r['alarms'])} |"
        for (group, flag), r in table.iterrows())
    return f"""
How well each flag's score tells excitatory cells from interneurons, all read as *steps only*: area under the ROC curve,
excitatory cells found at 5 % false alarms in that group of interneurons, and shares beyond the limit that ships (95 %
intervals by donors). Excitatory cells are those of the Cell Types Database; motor cortex has its own.

| Flag | Interneurons | ROC AUC | Found at 5 % | Found, as shipped | False alarms, as shipped |
|---|---|---|---|---|---|
{rows}
"""


def _simulated(found: dict) -> str:
    return f"""
*Simulated* cells, taken the whole way from NWB file to answer: of {found['cells']}, {found['accuracy']:.3f} were named
as the class they were drawn from (the commonest class alone: {found['chance']:.3f}); {found['answered']:.3f} were
answered, {_share(found['accuracy_answered'])} of these rightly. They are caricatures: this shows that the way is sound,
no more.
"""
