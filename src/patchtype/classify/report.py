"""One cell on one page: an HTML file that asks no other host for anything, for phone and desk, light and dark."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from patchtype import __version__, families
from patchtype.classify import patterns, traces
from patchtype.classify.answer import Answer
from patchtype.classify.classifier import load
from patchtype.classify.judgement import least
from patchtype.families import FAMILY_TITLES
from patchtype.recordings.quality import RULES
from patchtype.recordings.text import clean

#: Features shown, those of the families with the largest shares.
SHOWN_FAMILIES = 3
_UNITS = {"MOhm": "MΩ", "GOhm": "GΩ", "1": ""}
#: Characters of a name or sentence from a file that a page shows.
_NAME, _SENTENCE = 80, 600

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
figure{margin:0}svg{width:100%;max-width:34rem;height:auto;display:block}svg.bar{height:.8rem;fill:var(--bar)}
svg.against{fill:var(--against)}svg text{fill:var(--ink);font:11px system-ui,sans-serif}
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
        return f"Refused by the rule {answer.refusal.code}: {clean(answer.refusal.text, _SENTENCE).rstrip('.')}."
    row, model = answer.row, load(answer.species)
    judgement = model.judgements[answer.pattern]
    best = f"{row['subclass']} ({_percent(row['p_' + row['subclass']], 0)})"
    held = f"{1 - judgement.sets.miss:.0%}".replace("%", " %")
    inside = row["set"].split()
    if row["verdict"] == "unlike":
        asked = _asked(answer)
        why = (f"{row['missing']} of {len(asked)} features are missing{_lack(answer)}"
               if row["missing"] > judgement.missing_limit
               else f"its distance is {row['distance']:.1f}, the limit {judgement.distance_limit:.1f}{_oddest(answer)}")
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


def _asked(answer: Answer) -> list[str]:
    """The features that a cell's pattern asks for."""
    model = load(answer.species)
    return [name for name in model.features if patterns.block(name) in ("", *answer.pattern)]


def _gaps(answer: Answer) -> list[tuple[str, str]]:
    """Features that the pattern asks for and that are missing, put together by their reason."""
    reasons = {}
    for name in _asked(answer) if answer.features is not None else ():
        if np.isnan(answer.features[name]):
            why = clean(answer.missing.get(name) or "the table gives no value", _SENTENCE).rstrip(".")
            reasons.setdefault(why, []).append(_words(name))
    return [(", ".join(names), why) for why, names in sorted(reasons.items(), key=lambda item: -len(item[1]))]


def _lack(answer: Answer) -> str:
    gaps = _gaps(answer)
    return f", most of them because: {gaps[0][1]}" if gaps else ""


def _oddest(answer: Answer) -> str:
    """The features that make a cell unlike the others, of those that its pattern asks for."""
    if answer.features is None:
        return ""
    asked = answer.features.where(answer.features.index.isin(_asked(answer)))
    found = load(answer.species).models.novelty.oddest(asked.to_numpy(float))
    return "; most unusual: " + ", ".join(_words(asked.index[k]).replace(", ", " of the ") for k in found)


def recorded(answer: Answer) -> str:
    """What was recorded, what is missing, and so which classifier answered."""
    read, seen = patterns.READS[answer.species], [b for b in answer.pattern if b != patterns.LAYER]
    lacking = [words for block, words in patterns.LACKING.items() if block in read and block not in seen]
    said = (f"Answered by the classifier for the pattern “{patterns.name(answer.pattern)}”: steps of current"
            + "".join(f", {words.removeprefix('no ')}s" for block, words in patterns.LACKING.items() if block in seen)
            + (", and the layer as told" if patterns.LAYER in answer.pattern else "") + ".")
    if lacking:
        said += f" There is {' and '.join(lacking)} with features; with {'it' if len(lacking) == 1 else 'them'} the " \
                "answer would be a little surer."
    if answer.species == "human":
        said += " Ramps and short squares add nothing to human answers, so they were not read."
    return said


def measured(answer: Answer) -> str:
    """How good answers of this pattern are, as the card states it; "" for weights without figures."""
    found = load(answer.species).about.get("figures", {}).get(patterns.name(answer.pattern))
    if not found:
        return ""
    subclass, n, right = least(found)
    return (f"With this pattern, on {found['cells']:,} published {answer.species} cells of donors it had not seen, the "
            f"classifier reached a macro-F1 of {found['macro_f1']:.2f}. It answered {100 * found['answered']:.0f} % of "
            f"them, and {100 * found['accuracy_answered']:.0f} % of these answers were right; of {subclass} cells, the "
            f"hardest, {100 * right:.0f} % of {n}.")


def page(answer: Answer, neighbours_note: str = "") -> str:
    """The whole page as text."""
    row = answer.row if answer.refusal is None else None
    about = {
        "style": Markup(_STYLE), "style_hash": b64encode(sha256(_STYLE.encode()).digest()).decode(),
        "cell_id": clean(answer.cell_id, _NAME), "file": clean(answer.path.name, _NAME),
        "species": clean(answer.species, _NAME), "simulated": answer.simulated, "sentence": sentence(answer),
        "verdict": "refused" if row is None else row["verdict"], "silent": _silent(answer), "row": row,
        "why": RULES[answer.refusal.code].why if answer.refusal and answer.refusal.code in RULES else "",
        "drawing": Markup(traces.drawing(answer.traces, clean(answer.cell_id, _NAME))),
        "notes": [clean(note, _SENTENCE) for note in answer.notes], "neighbours_note": neighbours_note,
        "numbers": ("probability", "this cell", "limit", "share", "distance"), "version": __version__,
    }
    if row is not None:
        about["numbers"] += (f"median {row['subclass']}",)
        about |= {"probabilities": _probabilities(answer), "flags": _flags(answer), "shares": _shares(answer),
                  "features": _features(answer), "gaps": _gaps(answer), "recorded": recorded(answer),
                  "figures": measured(answer), "neighbours": _neighbours(answer)}
    return _template().render(about)


@cache
def _template():
    text = files("patchtype.classify").joinpath("page.html").read_text("utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(text)


def _silent(answer: Answer) -> bool:
    return bool(answer.refusal) or answer.row["verdict"] in ("unlike", "excitatory")


def _percent(share: float, digits: int = 1) -> str:
    """A probability in percent that never claims to be certain.

    >>> _percent(0.9999), _percent(0.421), _percent(0.0), _percent(0.997, 0)
    ('> 99.9 %', '42.1 %', '< 0.1 %', '> 99 %')
    """
    step = 10.0 ** -digits
    if 100 * share > 100 - step / 2:
        return f"> {100 - step:.{digits}f} %"
    return f"< {step:.{digits}f} %" if 100 * share < step / 2 else f"{100 * share:.{digits}f} %"


def _probabilities(answer: Answer) -> list[tuple]:
    classes, inside = load(answer.species).classes, answer.row["set"].split()
    p = answer.row[[f"p_{c}" for c in classes]].astype(float).set_axis(classes).sort_values(ascending=False)
    return [(name, _percent(value), value, name in inside) for name, value in p.items()]


def _flags(answer: Answer) -> list[tuple]:
    """What the two flags go by, beside their limits."""
    row, judgement = answer.row, load(answer.species).judgements[answer.pattern]
    rows = [("unlike: distance from the nearest subclass", f"{row['distance']:.1f}", f"{judgement.distance_limit:.1f}",
             row["distance"] > judgement.distance_limit),
            ("unlike: missing features", f"{row['missing']}", f"{judgement.missing_limit}",
             row["missing"] > judgement.missing_limit),
            ("excitatory: score of the guard", f"{row['margin']:.2f}", f"{judgement.margin_limit:.2f}",
             row["excitatory"])]
    return [(name, value.replace("-", "−"), limit.replace("-", "−"), beyond) for name, value, limit, beyond in rows]


def _shares(answer: Answer) -> list[tuple]:
    shares = answer.shares.sort_values(key=np.abs, ascending=False)
    most = max(shares.abs().max(), 1e-9)
    return [(FAMILY_TITLES[f], f"{v:+.2f}".replace("-", "−"), abs(v) / most, v < 0,
             "for" if v > 0 else "against" if v < 0 else "nothing") for f, v in shares.items()]


def _features(answer: Answer) -> list[tuple]:
    model = load(answer.species)
    typical = pd.Series(model.typical[model.classes.index(answer.row["subclass"])], index=list(model.columns))
    members = patterns.members(answer.species)
    largest = answer.shares.drop(patterns.LAYER, errors="ignore").abs().sort_values(ascending=False).index
    asked = _asked(answer)
    return [(_words(name), _value(answer.features[name], name), _value(typical[name], name))
            for family in largest[:SHOWN_FAMILIES] for name in members[family] if name in asked]


def _words(name: str) -> str:
    """A feature in a reader's words, without its unit.

    >>> _words("width_rheo"), _words("latency_rheo"), _words("sag")
    ('spike width', 'latency at rheobase', 'sag')
    """
    label = families.label(name)
    return label if families.unit(name) == "1" else label.rpartition(" (")[0]


def _value(value: float, name: str) -> str:
    unit = families.unit(name)
    if np.isnan(value):
        return "not measured"
    if unit == "s":
        value, unit = 1000 * value, "ms"
    return f"{value:.3g} {_UNITS.get(unit, unit)}".strip().replace("-", "−")


def _neighbours(answer: Answer) -> list[tuple] | None:
    if answer.neighbours is None:
        return None
    return [(cell, r["subclass"], r["t_type"], f"{r['distance']:.2f}") for cell, r in answer.neighbours.iterrows()]
