"""Sweeps of an Axon file, ABF 1 or 2: potential from its channels, command from its epoch table or a channel.

pyABF reads the headers and makes the command of each sweep from the epoch table, ramps and ABF 1 included (neo does
neither). What it takes for granted is checked here first: that the file is whole, which output drives which input,
that a waveform was switched on, and that nothing else changed it.
"""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PureWindowsPath

import numpy as np

from patchtype.recordings import limits
from patchtype.recordings.hdf5 import unreadable
from patchtype.recordings.recording import Recording, RecordingError, Sweep
from patchtype.recordings.text import clean

MILLIVOLTS = {"V": 1e3, "mV": 1.0, "uV": 1e-3, "µV": 1e-3}
PICOAMPERES = {"A": 1e12, "mA": 1e9, "uA": 1e6, "µA": 1e6, "nA": 1e3, "pA": 1.0, "fA": 1e-3}
EPISODIC, ZERO_CURRENT = 5, 2  # of Clampex: a mode of operation, and a mode of the MultiClamp amplifier
MULTICLAMP = 24
CHANNELS = 64
_EPOCHS, _FILE = 1, 2  # where a waveform comes from


@dataclass(frozen=True)
class Output:
    """One output (DAC): its number, name, unit, and whether a waveform was switched on and from where."""

    number: int
    name: str
    unit: str
    enabled: bool
    source: int


def read(path: Path, stem: str) -> list[Recording]:
    """The recordings of a file, one for each channel of potential that has a command.

    Parameters: ``path``, a file that begins with ``ABF``; ``stem``, its name without ending. Sweeps are read from the
    file when they are asked for. Raises `RecordingError` when not one channel can be used.
    """
    try:
        _check_header(path)
        header = _header(path)
        return _recordings(header, path, stem)
    except OSError as error:
        raise RecordingError(*unreadable(error)) from error


def _header(path: Path):
    import pyabf

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pyabf.ABF(str(path), loadData=False)
    except OSError:
        raise
    except Exception as error:
        said = clean(f"{type(error).__name__}: {error}")
        if "float data" in said:
            raise RecordingError("format_unknown", "found an ABF 1 file with floating-point samples, expected integers "
                                 "or ABF 2; save it again from Clampfit as ABF 2") from error
        raise _damaged(said) from error
    if header.abfVersion["major"] == 1:
        # pyABF takes the first epochs for holding levels, and counts ignored points as bytes.
        header.holdingCommand = [*header._headerV1.fInstrumentHoldingLevel]
        header.dataByteStart = (header._headerV1.lDataSectionPtr * 512
                                + header._headerV1.nNumPointsIgnored * header.dataPointByteSize)
    return header


def _damaged(said: str) -> RecordingError:
    return RecordingError("data_corrupt", f"found an ABF file with a header that cannot be read ({said}); "
                          "take another copy of the file")


def _check_header(path: Path) -> None:
    """Refuse sizes that the file cannot hold before anything is made of them."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(6144)
    if len(head) < 2048:
        raise RecordingError("file_truncated", f"found {len(head)} bytes of an ABF file, expected at least 2048; "
                             "fetch it again")

    def at(form: str, position: int):
        return struct.unpack_from("<" + form, head, position)

    if head[:4] == b"ABF2":
        sections = [at("IIq", 76 + 16 * k) for k in range(18)]
        parts = [(block * 512, each, count) for block, each, count in sections if count]
        channels, episodes = sections[1][2], at("I", 12)[0]
        data = 512 * sections[10][0] + sections[10][1] * sections[10][2]
        parts.remove((sections[10][0] * 512, *sections[10][1:])) if sections[10][2] else None
    else:
        (points,), (episodes,), (start,), (tags_at,), (tags,) = (at("i", k) for k in (10, 16, 40, 44, 48))
        (form,), (channels,) = at("h", 100), at("h", 120)
        parts = [(tags_at * 512, 64, tags)] if tags else []
        data = start * 512 + points * (4 if form == 1 else 2)
        if points < 0 or episodes < 0 or start < 0:
            raise _damaged("negative sizes")
    if size < data < 1 << 40:
        raise RecordingError("file_truncated", f"found {size} bytes of {data}, the file is cut off; fetch it again")
    if any(start < 0 or each < 0 or count < 0 or start + max(each, 1) * count > size for start, each, count in parts) \
            or not 0 < channels <= CHANNELS:
        raise _damaged("sections that lie outside the file")
    if episodes > limits.SWEEPS:
        raise RecordingError("too_large", f"found {episodes:,} sweeps, expected at most {limits.SWEEPS:,}; "
                             "split the file")


def _recordings(header, path: Path, stem: str) -> list[Recording]:
    major = header.abfVersion["major"]
    names = [clean(n) for n in header.adcNames]
    units = [clean(u) for u in header.adcUnits]
    potentials = [k for k, unit in enumerate(units) if unit in MILLIVOLTS]
    currents = [k for k, unit in enumerate(units) if unit in PICOAMPERES]
    if not potentials:
        if currents:
            raise RecordingError("voltage_clamp_only", f"found currents alone (channels {', '.join(names)}), expected "
                                 "the membrane potential; this is a voltage-clamp recording")
        raise RecordingError("unit_unexpected", f"found channels in {', '.join(map(repr, units))}, expected a "
                             "potential in mV; correct the lab bench of Clampex and export the file again")
    outputs = _outputs(header)
    total = header.sweepCount * header.sweepPointCount
    if header.sweepPointCount > limits.SAMPLES or total > limits.SAMPLES_OF_CELL:
        raise RecordingError("too_large", f"found {total:,} samples of one cell, expected at most "
                             f"{limits.SAMPLES_OF_CELL:,}; split the file")
    found, aside = [], {}
    for channel in potentials:
        try:
            command, note = _command(header, channel, potentials, currents, outputs, names, units)
        except RecordingError as error:
            aside[names[channel]] = error
        else:
            found.append((channel, command, note))
    if not found:
        raise next(iter(aside.values()))
    rate = _rate(header)
    protocol = clean(PureWindowsPath(header.protocolPath).stem)
    distinct = [names[c] if names.count(names[c]) == 1 else f"{names[c]} {c}" for c in range(len(names))]
    result = []
    for channel, command, note in found:
        name = distinct[channel]
        sweeps = [
            Sweep(k, f"sweep {k}, channel {name}", rate, header.sweepPointCount,
                  partial(_arrays, header, path, channel, command, k), "" if protocol == "None" else protocol)
            for k in range(header.sweepCount)
        ]
        result.append(Recording(
            stem if len(found) == 1 else f"{stem}_{name}", sweeps, name, f"ABF {major}",
            notes=[note] * bool(note) + [f"left out channel {other}: {why}" for other, why in aside.items()],
        ))
    return result


def _rate(header) -> float:
    if header.abfVersion["major"] == 1:
        interval = header._headerV1.fADCSampleInterval * header.channelCount
    else:
        interval = header._protocolSection.fADCSequenceInterval
    if not 1e-2 <= interval <= 1e6:
        raise RecordingError("rate_missing", f"found a sampling interval of {interval:g} µs, expected 1 to 1000")
    rate = 1e6 / interval
    return float(round(rate)) if abs(rate / max(round(rate), 1) - 1) < 1e-6 else rate


def _outputs(header) -> list[Output]:
    """The outputs of a file; ABF 1 has waveforms for the first two only, and none before version 1.6."""
    if header.abfVersion["major"] == 2:
        dac, texts = header._dacSection, header._stringsSection._indexedStrings

        def text(index: int) -> str:
            return clean(texts[index]) if 0 <= index < len(texts) else ""

        return [Output(number, text(dac.lDACChannelNameIndex[k]), text(dac.lDACChannelUnitsIndex[k]),
                       bool(dac.nWaveformEnable[k]), dac.nWaveformSource[k])
                for k, number in enumerate(dac.nDACNum)]
    old = header._headerV1
    if old.fFileVersionNumber < 1.6 or old.lDataSectionPtr * 512 < 6144:  # the rest of the header is not there
        return []
    return [Output(k, clean(old.sDACChannelName[k]), clean(old.sDACChannelUnit[k]),
                   k < 2 and bool(old.nWaveformEnable[k]), old.nWaveformSource[k] if k < 2 else 0) for k in range(4)]


def _command(header, channel: int, potentials: list[int], currents: list[int], outputs: list[Output],
             names: list[str], units: list[str]) -> tuple[tuple, str]:
    """Where the command of a channel comes from, and what to say of it.

    Returns ``("output", number, factor)`` or ``("input", channel, factor)``.
    """
    if _mode(header, channel) == ZERO_CURRENT:
        raise RecordingError("stimulus_missing", f"found channel {names[channel]} recorded at zero current (I = 0), "
                             "expected current clamp with a command")
    driving = [o for o in outputs if o.unit in PICOAMPERES]
    active = [o for o in driving if o.enabled and o.source]
    if header.nOperationMode == EPISODIC and active:
        own = _drives(header, channel, potentials, active)
        try:
            _check_waveform(header, own)
        except RecordingError:
            if not currents:
                raise
        else:
            return ("output", own.number, PICOAMPERES[own.unit]), ""
    if currents:
        order = potentials.index(channel)
        if len(currents) != 1 and len(currents) != len(potentials):
            raise RecordingError("stimulus_unknown", f"found {len(currents)} recorded currents for {len(potentials)} "
                                 "potentials, expected one each; export the channels of one cell")
        source = currents[order if len(currents) == len(potentials) else 0]
        clamped = [o for o in outputs if o.enabled and o.source and o.unit in MILLIVOLTS]
        if clamped or (_mode(header, channel) == 0):
            raise RecordingError("voltage_clamp_only", f"found a command in {clamped[0].unit if clamped else 'mV'} and "
                                 f"the current {names[source]} as its answer, expected the membrane potential; this is "
                                 "a voltage-clamp recording")
        return ("input", source, PICOAMPERES[units[source]]), \
            f"the command is the recorded channel {names[source]}, the file has no waveform"
    if header.nOperationMode != EPISODIC:
        kind = "gap-free" if header.nOperationMode == 3 else "event-driven"
        raise RecordingError("stimulus_missing", f"found a {kind} recording without a command, expected sweeps with "
                             "steps of current; record the command as a channel, or use episodic stimulation")
    if wrong := [o for o in outputs if o.enabled and o.source and o.unit not in PICOAMPERES]:
        raise RecordingError("stimulus_unknown", f"found a command in {wrong[0].unit!r} ({wrong[0].name}), expected "
                             "pA; correct the unit of the output in the lab bench of Clampex and export the file again")
    raise RecordingError("stimulus_missing", f"found no waveform on any output in pA for channel {names[channel]}, "
                         "expected the command; export the file with the command as a channel")


def _mode(header, channel: int) -> int | None:
    """What a MultiClamp says of its mode: 0 voltage clamp, 1 current clamp, 2 zero current; None for others."""
    if header.abfVersion["major"] == 2:
        section, index = header._adcSection, channel
    else:
        section, index = header._headerV1, header._headerV1.nADCSamplingSeq[channel]
    if section.nTelegraphEnable[index] != 1 or section.nTelegraphInstrument[index] != MULTICLAMP:
        return None
    return section.nTelegraphMode[index]


def _drives(header, channel: int, potentials: list[int], active: list[Output]) -> Output:
    """The output whose command goes to the cell of a channel."""
    inputs = header._adcSection.nADCNum if header.abfVersion["major"] == 2 else header._headerV1.nADCSamplingSeq
    if same := [o for o in active if o.number == inputs[channel]]:
        return same[0]
    if len(active) == len(potentials):
        return active[potentials.index(channel)]
    others = {inputs[other] for other in potentials if other != channel}
    if len(active) == 1 and channel == potentials[0] and active[0].number not in others:
        return active[0]
    listed = ", ".join(o.name for o in active)
    raise RecordingError("stimulus_unknown", f"found no output of the number of this channel (outputs in pA: "
                         f"{listed}), so its command is not known; export the channels of one cell")


def _check_waveform(header, output: Output) -> None:
    """Refuse commands that the epoch table alone does not give."""
    if output.source != _EPOCHS:
        raise RecordingError("stimulus_unknown", "found a command that comes from a file of its own, which the "
                             "recording does not hold; record or export the command as a channel")
    if header.abfVersion["major"] == 2:
        varied, alternate = any(header._userListSection.nULEnable), header._protocolSection.nAlternateDACOutputState
        lengths = set(header._synchArraySection.lLength)
    else:
        with open(header.abfFilePath, "rb") as file:
            file.seek(3360)
            varied, alternate, lengths = any(struct.unpack("<4h", file.read(8))), 0, set()
    if varied or alternate:
        what = "a list of the user" if varied else "alternating outputs"
        raise RecordingError("stimulus_unknown", f"found a command changed by {what}, which the epoch table does not "
                             "show; export the file with the command as a channel")
    if len(lengths) > 1:
        raise RecordingError("stimulus_unknown", "found sweeps of different lengths, expected one length; "
                             "export the file with the command as a channel")


def _arrays(header, path: Path, channel: int, command: tuple, sweep: int) -> tuple[np.ndarray, np.ndarray]:
    """Potential (mV) and command (pA) of one sweep."""
    kind, number, factor = command
    samples = _samples(header, path, sweep)
    v = _scaled(header, samples, channel) * MILLIVOLTS[clean(header.adcUnits[channel])]
    if kind == "input":
        return v, _scaled(header, samples, number) * factor
    return v, _waveform(header, number, sweep) * factor


def _samples(header, path: Path, sweep: int) -> np.ndarray:
    """Samples of all channels as they are stored, (samples, channels)."""
    n = header.sweepPointCount * header.channelCount
    try:
        raw = np.fromfile(path, header._dtype, n, offset=header.dataByteStart + sweep * n * header._dtype().itemsize)
    except OSError as error:
        raise RecordingError(*unreadable(error)) from error
    if len(raw) < n:
        raise RecordingError("file_truncated", f"found {len(raw)} of {n} samples of sweep {sweep}, the file is cut "
                             "off; fetch it again")
    return raw.reshape(-1, header.channelCount)


def _scaled(header, samples: np.ndarray, channel: int) -> np.ndarray:
    values = samples[:, channel].astype(float)
    if samples.dtype.kind == "f":
        return values
    gain, offset = header._dataGain[channel], header._dataOffset[channel]
    if not np.isfinite([gain, offset]).all() or not gain:
        raise RecordingError("unit_unexpected", f"found a gain of {gain:g} and an offset of {offset:g}, expected "
                             "finite numbers; find out what the samples are")
    return values * gain + offset


def _waveform(header, output: int, sweep: int) -> np.ndarray:
    """The command of one sweep in the unit of the output."""
    from pyabf.waveform import EpochTable

    n = header.sweepPointCount
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            form = EpochTable(header, output).epochWaveformsBySweep[sweep]
            inside = all(0 <= a <= b <= n for a, b in zip(form.p1s, form.p2s, strict=True))
            command = form.getWaveform() if inside else np.empty(0)
    except Exception as error:
        raise _damaged(clean(f"{type(error).__name__}: {error}")) from error
    if len(command) != n or not np.isfinite(command).all():
        raise RecordingError("stimulus_unknown", f"found epochs that do not fit into the {n} samples of sweep {sweep}, "
                             "or of a kind that is not known; export the file with the command as a channel")
    return command
