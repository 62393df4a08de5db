"""The model card: what the weights are, what they were measured at, and what they must not be used for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from patchtype.classify.classifier import load
from patchtype.classify.strangers import VERDICTS
from patchtype.taxonomy import SPECIES

_HEAD = """# Model card: subclass of a cortical interneuron from its current-clamp recording

Made by `patchtype models`; do not edit. The weights are plain arrays in safetensors files.

## What it does

From the {n_features} scalar features that are defined alike in both species, and that a recording gives, it makes
calibrated probabilities of the transcriptomic subclasses, a set that holds the right one at a stated rate in each
subclass ({held}), a flag for cells unlike those it has learnt from, and a flag for cells that look excitatory.
One classifier a species.

The stated rate of the human sets is lower. At 90 % most of them would hold two subclasses or more, and only a quarter
would name one; the rate was set after seeing that.

The model is the mean of gradient-boosted trees and a logistic regression, both class-balanced, weighted alike
beforehand. All scalar features together score a little higher on the mouse table, but some of them depend on how long
a rig records after a pulse: with them nearly every interneuron of the Allen Cell Types Database looks foreign.

*Unlike* goes by the distance to the nearest subclass and has been shown no strange cell. *Excitatory* goes by support
vectors that were shown excitatory cells: those of the Allen Cell Types Database with spiny dendrites, against the
published interneurons and the database's aspiny cells. Half of its donors made this guard, the other half measure it.

## Intended use

Exploring one's own Patch-seq or patch-clamp recordings of cortical interneurons, teaching, and choosing cells for
sequencing. It does not replace sequencing. Not for clinical decisions. Not for other species, other brain regions,
or voltage clamp. An excitatory cell is mostly recognised, not always: see the tables below.

## How it was measured

Donors apart throughout, in nested folds. The models that predict a fold have not seen it. Temperature, set limits and
limits of both flags come from inner folds of the other folds: nothing that judges a cell has seen its donor.
Features, models and the kind of novelty were chosen earlier, with out-of-fold figures of the same cells in sight.

Both flags were chosen on the half of the database's donors that made the guard, with other groups of strangers. The
half that measures was looked at after that. It was looked at twice, and motor cortex too: a first guard, with a
narrower kernel, did as well in the database but worse from one species to the other, on the donors that made it, and
on motor cortex. The wider kernel was chosen by the former. An earlier flag had been measured on all of the database.
"""

_LIMITS = """
## Limits

- The labels come from gene expression of the same cells. They carry errors of their own.
- **Features measured here and in the tables.** The tables were computed by their authors with other versions of IPFX
  and other sweeps chosen. Two published extractions of the same mouse cells agree within 1 % for most features, least
  for short squares and spike width (`patchtype.cohorts.published.alignment_check`). The mouse table's spike width
  was measured behind a 1 kHz filter and scaled by 0.98; a recording's is measured behind none. The extraction here
  could not be compared with the tables on real raw files. Until it is, read answers for a new rig as a hypothesis.
- The guard has seen excitatory cells of one database, and needs the features. It was made for cells with most of them:
  where many are filled by medians, as for motor cortex, it is worthless. Such cells are called unlike for what they
  lack. Cells of the database lack five features themselves (spike width and four of the firing pattern).
- How well a guard does in motor cortex, made anew, is the best hint at another rig. It was not tuned there, but a poor
  figure of the first guard was the reason to look for a wider kernel, so the present one may be a little too good.
- Calibration and coverage hold for cells like those of the tables: the same laboratory, stimuli, temperature and share
  of subclasses. Class-wise sets survive another share of subclasses, probabilities do not.
- The guarantee of the sets is that of split calibration; limits from cross-fitting, used with models fitted on all
  cells, keep it nearly. The measured coverage above is the evidence.
- Human cells: most slices were cultured, all from surgery; both change the electrical phenotype.
"""


def markdown(folder: Path, strangers: dict | None = None, detected: dict | None = None,
             simulated: dict | None = None) -> str:
    """The card of all weights in a folder.

    ``strangers``, ``detected`` and ``simulated``: species → what the functions ``met``, ``detected`` and
    ``simulated`` of `patchtype.classify.strangers` gave.
    """
    models = [load(species, folder) for species in SPECIES if (folder / f"{species}.json").exists()]
    parts = [_HEAD.format(n_features=len(models[0].features), held=" and ".join(
        f"{100 * (1 - m.judgement.sets.miss):.0f} % for {m.species}" for m in models))]
    for model in models:
        parts.append(_species(model))
        if strangers and model.species in strangers:
            parts.append(_strangers(strangers[model.species]))
        if detected and model.species in detected:
            parts.append(_detected(detected[model.species]))
        if simulated and model.species in simulated:
            parts.append(_simulated(simulated[model.species]))
    return "\n".join(parts) + _LIMITS


def _species(model) -> str:
    about, f = model.about, model.about["figures"]
    low, high = f["calibration_error_interval"]
    rows = "\n".join(
        f"| {c} | {about['cells'][c]:,} | {f['f1'][c]:.3f} | {sets['coverage']:.3f} | {sets['size']:.2f} "
        f"| {f['excitatory_alarms_by_class'][c]:.3f} |"
        for c, sets in ((c, f["sets"][c]) for c in model.classes))
    tables = ", ".join(f"`{name}` (sha256 {sha}…)" for name, sha in about["tables"].items())
    return f"""
## {model.species.capitalize()}

Data: {sum(about['cells'].values()):,} published cells of {about['donors']:,} donors. Seed {about['seed']}.
Tables: {tables}.
Protocol: {about['protocol']}.

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
{rows}
"""


def _strangers(table) -> str:
    rows = "\n".join(
        f"| {name} | {int(r['cells']):,} | " + " | ".join(f"{r[verdict]:.3f}" for verdict in VERDICTS) + " |"
        for name, r in table.iterrows())
    return f"""
What becomes of cells that should get no answer (and of one control group), as shares. Excitatory cells and controls
are of donors that did not make the guard. Wrong units and missing protocols were put into the published cells on
purpose; the quality check refuses most such files before.

| Group | Cells | {" | ".join(verdict.capitalize() for verdict in VERDICTS)} |
|---|---|{"---|" * len(VERDICTS)}
{rows}
"""


def _detected(table) -> str:
    def told(row, name):
        return f"{row[name]:.3f} ({row[name + '_low']:.3f} to {row[name + '_high']:.3f})"

    def share(value):
        return "–" if np.isnan(value) else f"{value:.3f}"

    rows = "\n".join(
        f"| {flag} | {group} | {told(r, 'auc')} | {told(r, 'found')} | {share(r['flagged'])} | {share(r['alarms'])} |"
        for (group, flag), r in table.iterrows())
    return f"""
How well each flag's score tells excitatory cells from interneurons: area under the ROC curve, excitatory cells found
at 5 % false alarms in that group of interneurons, and shares beyond the limit that ships (95 % intervals by donors).
Excitatory cells are those of the Cell Types Database; motor cortex has its own.

| Flag | Interneurons | ROC AUC | Found at 5 % | Found, as shipped | False alarms, as shipped |
|---|---|---|---|---|---|
{rows}
"""


def _simulated(found: dict) -> str:
    return f"""
*Simulated* cells, taken the whole way from NWB file to answer: of {found['cells']}, {found['accuracy']:.3f} were named
as the class they were drawn from (the commonest class alone: {found['chance']:.3f}); {found['answered']:.3f} were
answered, {found['accuracy_answered']:.3f} of these rightly. They are caricatures: this shows that the way is sound, no
more.
"""
