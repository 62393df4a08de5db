"""One cell on one page: an HTML file that asks no other host for anything, for phone and desk, light and dark."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd

from patchtype import __version__, families
from patchtype.classify import traces
from patchtype.classify.answer import Answer
from patchtype.classify.classifier import load
from patchtype.families import FAMILY_TITLES
from patchtype.recordings.quality import RULES

#: Features shown, those of the families that spoke loudest.
SHOWN_FAMILIES = 3
#: Endings of feature names, and the sweep that they mean.
_SWEEPS = {"_rheo": ", at rheobase", "_ramp": ", on a ramp", "_short_square": ", short pulse", "_hero": ", hero sweep"}
_UNITS = {"MOhm": "MΩ", "GOhm": "GΩ", "1": ""}

# Bars and traces are violet, for the other colours of the book each mean a subclass or a species.
_STYLE = """
:root{color-scheme:light dark;--ink:#1b1b1b;--soft:#5c5c5c;--ground:#fff;--line:#d9d9d9;--bar:#54278f;--against:#9f86d0}
@media(prefers-color-scheme:dark){:root{--ink:#ececec;--soft:#ababab;--ground:#16181b;--line:#3d4147;--bar:#b9a8e6;
--against:#8370b8}}
body{margin:0 auto;max-width:44rem;padding:1rem;background:var(--ground);color:var(--ink);
font:1rem/1.5 system-ui,sans-serif}
h1,p,li{overflow-wrap:anywhere}h1{font-size:1.3rem;margin:.2rem 0}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}
.verdict{border-left:.35rem solid var(--bar);padding:.4rem .8rem;margin:1rem 0}
.verdict.none{border-color:var(--against)}.soft{color:var(--soft);font-size:.9rem}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;padding:.2rem .5rem .2rem 0;border-bottom:1px solid var(--line);vertical-align:middle}
th.number,td.number{text-align:right}td.number{font-variant-numeric:tabular-nums;white-space:nowrap}td.space{width:40%;min-width:4.5rem}
.bar{display:block;height:.8rem;background:var(--bar);min-width:1px}.against{background:var(--against)}
svg{width:100%;max-width:34rem;height:auto;display:block}svg text{fill:var(--ink);font:11px system-ui,sans-serif}
svg text.strong{font-weight:600}
svg .trace{fill:none;stroke:var(--bar);stroke-width:1;stroke-linejoin:round}svg .axis{fill:none;stroke:var(--soft)}
"""


def sentence(answer: Answer) -> str:
    """The answer in words.

    >>> from pathlib import Path
    >>> from patchtype.recordings.verdict import Finding
    >>> sentence(Answer(Path("a.nwb"), "a", refusal=Finding("no_spikes", "found no spike")))
    'Refused by the rule no_spikes: found no spike.'
    """
    if answer.refusal:
        return f"Refused by the rule {answer.refusal.code}: {answer.refusal.text}."
    row, model = answer.row, load(answer.species)
    judgement = model.judgement
    best = f"{row['subclass']} ({_percent(row['p_' + row['subclass']], 0)})"
    held = f"{1 - judgement.sets.miss:.0%}".replace("%", " %")
    inside = row["set"].split()
    if row["verdict"] == "unlike":
        why = (f"{row['missing']} of {len(model.features)} features are missing"
               if row["missing"] > judgement.missing_limit
               else f"its distance is {row['distance']:.1f}, the limit {judgement.distance_limit:.1f}")
        return (f"No answer: this cell is unlike the {answer.species} interneurons that the classifier has learnt from "
                f"({why}). The likeliest subclass would be {best}; do not rely on it.")
    if row["verdict"] == "excitatory":
        margin, limit = (f"{value:.2f}".replace("-", "−") for value in (row["margin"], judgement.margin_limit))
        return (f"No answer: this cell looks excitatory (its score is {margin}, the limit {limit}), and the classifier "
                f"knows interneurons only. The likeliest of them would be {best}; do not rely on it.")
    if row["verdict"] == "answered":
        return f"{best}. It is the only subclass in the {held} prediction set."
    if not inside:
        return f"Undecided: no subclass fits well enough for the {held} prediction set. The likeliest is {best}."
    if inside == [single := inside[0]]:
        return (f"Undecided: {single} is the only subclass in the {held} prediction set, but the likeliest is {best}; "
                "rare subclasses are kept in sets at lower probabilities.")
    return (f"Undecided between {', '.join(inside[:-1])} and {inside[-1]}, the {held} prediction set. "
            f"The likeliest is {best}.")


def page(answer: Answer, neighbours_note: str = "") -> str:
    """The whole page as text."""
    kind = "Simulated recording" if answer.simulated else "Recording"
    parts = [
        f"<h1>{escape(answer.cell_id)}</h1>",
        f'<p class="soft">{kind} {escape(answer.path.name)}'
        + (f", {escape(answer.species)}" if answer.species else "") + "</p>",
        f'<p class="verdict{_tone(answer)}"><strong>{escape(sentence(answer))}</strong></p>',
    ]
    if answer.refusal and answer.refusal.code in RULES:
        parts.append(f"<p>Why this rule: {escape(RULES[answer.refusal.code].why)}</p>")
    if answer.refusal is None:
        parts += [_probabilities(answer), _flags(answer), _shares(answer), _features(answer)]
    if answer.traces:
        parts += ["<h2>The recording</h2>", f"<figure style='margin:0'>{traces.drawing(answer.traces, answer.cell_id)}"
                  "</figure>"]
    if answer.refusal is None:
        parts.append(_neighbours(answer, neighbours_note))
    if answer.notes:
        parts += ["<h2>Notes of the quality check</h2>", "<ul>",
                  *(f"<li>{escape(note)}</li>" for note in answer.notes), "</ul>"]
    parts.append(_limits(answer))
    return ("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
            f"<title>{escape(answer.cell_id)}: {'refused' if answer.refusal else escape(answer.row['verdict'])}</title>"
            f"<style>{_STYLE}</style></head>\n<body><main>\n" + "\n".join(parts) + "\n</main></body></html>\n")


def _tone(answer: Answer) -> str:
    """A class of the style sheet for what has no answer."""
    return " none" if answer.refusal or answer.row["verdict"] in ("unlike", "excitatory") else ""


def _percent(share: float, digits: int = 1) -> str:
    """A probability in percent that never claims to be certain.

    >>> _percent(0.9999), _percent(0.421), _percent(0.0), _percent(0.997, 0)
    ('> 99.9 %', '42.1 %', '< 0.1 %', '> 99 %')
    """
    step = 10.0 ** -digits
    if 100 * share > 100 - step / 2:
        return f"> {100 - step:.{digits}f} %"
    return f"< {step:.{digits}f} %" if 100 * share < step / 2 else f"{100 * share:.{digits}f} %"


def _table(head: list[str], rows: list[list[str]]) -> str:
    kinds = [' class="number"' if 'class="number"' in cell else "" for cell in rows[0]]
    return ('<div class="wide"><table><thead><tr>'
            + "".join(f'<th scope="col"{kind}>{escape(h)}</th>' for h, kind in zip(head, kinds, strict=True))
            + "</tr></thead><tbody>" + "".join(f"<tr>{''.join(row)}</tr>" for row in rows) + "</tbody></table></div>")


def _number(text: str) -> str:
    return f'<td class="number">{text}</td>'


def _bar(share: float, against: bool = False) -> str:
    kind = "bar against" if against else "bar"
    return f'<td class="space"><span class="{kind}" style="width:{100 * share:.1f}%" aria-hidden="true"></span></td>'


def _probabilities(answer: Answer) -> str:
    model = load(answer.species)
    inside = answer.row["set"].split()
    p = answer.row[[f"p_{c}" for c in model.classes]].astype(float).set_axis(model.classes).sort_values(ascending=False)
    rows = [[f"<th scope='row'>{c}</th>", _number(escape(_percent(v))), _bar(v),
             f"<td>{'in the set' if c in inside else ''}</td>"] for c, v in p.items()]
    flagged = ("<p>They hold for interneurons like those of training. This cell is flagged, so they mean little.</p>"
               if _tone(answer) else "")
    return ("<h2>Probabilities, calibrated</h2>" + flagged
            + _table(["subclass", "probability", "", "prediction set"], rows)
            + f'<p class="soft">With subclasses as common as in the {escape(answer.species)} training cells; another '
              "share of subclasses among your cells would shift these numbers.</p>")


def _flags(answer: Answer) -> str:
    """What the two flags go by, beside their limits."""
    row, judgement = answer.row, load(answer.species).judgement
    rows = [[f"<th scope='row'>{name}</th>", _number(value.replace("-", "−")), _number(limit.replace("-", "−")),
             f"<td>{'beyond' if beyond else ''}</td>"] for name, value, limit, beyond in (
        ("unlike: distance from the nearest subclass", f"{row['distance']:.1f}", f"{judgement.distance_limit:.1f}",
         row["distance"] > judgement.distance_limit),
        ("unlike: missing features", f"{row['missing']}", f"{judgement.missing_limit}",
         row["missing"] > judgement.missing_limit),
        ("excitatory: score of the guard", f"{row['margin']:.2f}", f"{judgement.margin_limit:.2f}", row["excitatory"]),
    )]
    return ("<h2>Is it a cell that the classifier knows?</h2>"
            + _table(["flag", "this cell", "limit", ""], rows)
            + '<p class="soft">A cell beyond a limit gets no answer. The distance is about standard normal for a cell '
              "of the nearest subclass. The score of the guard grows towards excitatory cells.</p>")


def _shares(answer: Answer) -> str:
    shares = answer.shares.sort_values(key=np.abs, ascending=False)
    most = max(shares.abs().max(), 1e-9)
    rows = [[f"<th scope='row'>{escape(FAMILY_TITLES[f])}</th>", _number(f"{v:+.2f}".replace("-", "−")),
             _bar(abs(v) / most, v < 0), f"<td>{'for' if v > 0 else 'against' if v < 0 else 'nothing'}</td>"]
            for f, v in shares.items()]
    return (f"<h2>Which families spoke for {escape(answer.row['subclass'])}</h2>"
            + _table(["family", "share", "", "spoke"], rows)
            + '<p class="soft">Exact Shapley values in units of log probability, against the median cells of all '
              "subclasses. They tell what the classifier used, not why the cell is as it is.</p>")


def _features(answer: Answer) -> str:
    model = load(answer.species)
    typical = pd.Series(model.typical[model.classes.index(answer.row["subclass"])], index=list(model.features))
    loudest = answer.shares.abs().sort_values(ascending=False).index[:SHOWN_FAMILIES]
    rows = []
    for family in loudest:
        for name in families.families("aligned")[family]:
            rows.append([f"<th scope='row'>{escape(_words(name))}</th>", _number(_value(answer.features[name], name)),
                         _number(_value(typical[name], name))])
    return (f"<h2>Their features</h2>{_table(['feature', 'this cell', 'median ' + answer.row['subclass']], rows)}")


def _words(name: str) -> str:
    for ending, words in _SWEEPS.items():
        if name.endswith(ending):
            name = name.removesuffix(ending) + words
    name = name.replace("upstroke_downstroke", "upstroke/downstroke").replace("_v,", ",")
    name = name.replace("rheobase_i", "rheobase").replace("threshold_i,", "threshold current,")
    return name.replace("_", " ").replace("deltav", "ΔV").replace(" isi", " ISI").replace("fi fit", "f-I")


def _value(value: float, name: str) -> str:
    unit = families.unit(name)
    if np.isnan(value):
        return "not measured"
    if unit == "s":
        value, unit = 1000 * value, "ms"
    return f"{value:.3g} {_UNITS.get(unit, unit)}".strip().replace("-", "−")


def _neighbours(answer: Answer, note: str) -> str:
    head = "<h2>Nearest published cells</h2>"
    if answer.neighbours is None:
        return head + f"<p>{escape(note or 'Not compared: the public tables were not read.')}</p>"
    rows = [[f"<th scope='row'>{escape(str(cell))}</th>", f"<td>{escape(r['subclass'])}</td>",
             f"<td>{escape(str(r['t_type']))}</td>", _number(f"{r['distance']:.2f}")]
            for cell, r in answer.neighbours.iterrows()]
    return (head + _table(["cell", "subclass", "T-type", "distance"], rows)
            + '<p class="soft">Distance: root mean square difference, in scaled units, over the features that both '
              "cells have.</p>")


def _limits(answer: Answer) -> str:
    if answer.refusal:
        return f'<p class="soft">patchtype {__version__}</p>'
    figures = load(answer.species).about.get("figures", {})
    if not figures:
        return f'<p class="soft">patchtype {__version__}</p>'
    return ("<h2>How far to trust this</h2>"
            f"<p>On {figures['cells']:,} published {escape(answer.species)} cells of donors it had not seen, the "
            f"classifier reached a macro-F1 of {figures['macro_f1']:.2f}. It answered "
            f"{100 * figures['answered']:.0f} % of them, and {100 * figures['accuracy_answered']:.0f} % of these "
            "answers were right. It knows interneurons of one laboratory's protocol only. An excitatory cell gets an "
            "interneuron's name unless a flag finds it; the model card says how many the flags find. Not for clinical "
            "use.</p>"
            f'<p class="soft">patchtype {__version__}; model card: <code>patchtype/classify/weights/CARD.md</code></p>')
