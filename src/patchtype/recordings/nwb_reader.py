"""Sweeps of an NWB 2 file of any laboratory: by its table of recordings, its sweep numbers, or its names.

A response and its command belong together when a row of `intracellular_recordings` says so (what pynwb and
neuroconv write), else when they have one sweep number and electrode (what MIES writes), else when their names differ
in letters only. Value = data x conversion + offset, as the standard has it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial

import h5py
import numpy as np

from patchtype.recordings import hdf5, limits
from patchtype.recordings.hdf5 import Tree, translated
from patchtype.recordings.recording import Recording, RecordingError, Sweep
from patchtype.recordings.text import clean
from patchtype.taxonomy import species_named

ICEPHYS = "general/intracellular_ephys"
RESPONSES, STIMULI, TEMPLATES = "acquisition", "stimulus/presentation", "stimulus/templates"
#: What NWB fixes for current clamp, in the spellings that ipfx knows.
UNITS = {"amperes": ("amperes", "ampere", "Amps", "amps", "A", ""), "volts": ("volts", "volt", "Volts", "V", "")}
RATE_TOLERANCE = 1e-4  # relative, between the clocks of response and stimulus
RATES = 1e3, 1e8  # Hz; fewer are a rate in kHz, or show no action potential
LATE_S = 0.5e-3  # between the beginnings of response and stimulus
SHORT_S = 1e-3  # of command that may be missing at the end


@dataclass(frozen=True)
class Part:
    """A series, or some of its samples."""

    series: h5py.Group
    start: int = 0
    count: int | None = None

    @property
    def where(self) -> str:
        """Path in the file, with the samples where they are not all."""
        path = clean(self.series.name).strip("/")
        return path if self.count is None else f"{path}[{self.start}:{self.start + self.count}]"


@dataclass
class Pair:
    """A response and its command, as the file pairs them; ``late``: how long after it (s) the command begins."""

    number: int
    electrode: str
    response: Part
    stimulus: Part
    named: str = ""
    late: float = np.nan


def read(tree: Tree, stem: str) -> list[Recording]:
    """The recordings of a file, one for each electrode, in the order in which the electrodes appear.

    Parameters: ``tree``, an open file; ``stem``, its name without ending. Sweeps load while the file is open.
    Raises `RecordingError` when not one sweep can be used.
    """
    try:
        _check_version(tree)
        return File(tree, stem).recordings()
    except RecordingError as error:
        error.about = about(tree)
        raise


def about(tree: Tree) -> dict:
    """What a file says of the cell and of itself, as `Recording.about`."""
    version = tree.label(tree.file, "nwb_version").removeprefix("NWB-")
    said = [tree.text(path) for path in ("general/institution", "session_description", "general/subject/description")]
    for group in (ICEPHYS, "general/devices"):
        said += _names_and_descriptions(tree, group)
    return {
        "format": f"NWB {version[:1]}" if version else "",
        "species": species_named(tree.text("general/subject/species")),
        "subject_id": tree.text("general/subject/subject_id"), "session_id": tree.text("general/session_id"),
        "simulated": any(re.match("simulat(ed|ion)", each, re.IGNORECASE) for each in said),
    }


def _names_and_descriptions(tree: Tree, path: str) -> list[str]:
    try:
        group = tree.get(path)
        names = tree.names(group)
        return [clean(n) for n in names] + [tree.text(f"{n}/description", group) for n in names]
    except RecordingError:
        return []


def _check_version(tree: Tree) -> None:
    version = tree.label(tree.file, "nwb_version").removeprefix("NWB-")
    if not version:
        raise RecordingError("nwb_version_missing", "found an HDF5 file without nwb_version, expected NWB 2")
    if not version.startswith("2"):
        raise RecordingError("nwb_version_old", f"found NWB version {version}, expected 2; convert the file first")


class File:
    """One NWB file while its sweeps are found. ``aside``: where → (electrode or "", why)."""

    def __init__(self, tree: Tree, stem: str):
        self.tree, self.stem = tree, stem
        self.aside: dict[str, tuple[str, RecordingError]] = {}
        self.notes: list[str] = []
        self.electrodes = self._electrodes()
        self.responses = self._series(RESPONSES, stimuli=False)
        # Commands belong to the first of these; some programs write them elsewhere.
        self.stimuli = next(filter(None, (self._series(path, True) for path in (STIMULI, TEMPLATES, RESPONSES))), {})

    def recordings(self) -> list[Recording]:
        """See `read`."""
        sweeps: dict[str, list[Sweep]] = defaultdict(list)
        total: dict[str, int] = defaultdict(int)
        made: list[tuple[Pair, Sweep]] = []
        for pair in self._pairs():
            try:
                made.append((pair, self._sweep(pair)))
            except RecordingError as error:
                self.aside[pair.response.where] = pair.electrode, error
        # Many files begin every stimulus at 0: one that is a whole sweep off shows that they keep no common clock.
        common = not any(abs(pair.late) > sweep.samples / sweep.rate - LATE_S for pair, sweep in made)
        for pair, sweep in made:
            try:
                if common:
                    _check_beginning(pair)
                if total[pair.electrode] + sweep.samples > limits.SAMPLES_OF_CELL:
                    raise RecordingError("too_large", f"found more than {limits.SAMPLES_OF_CELL:,} samples of one "
                                         "cell, expected fewer; split the file")
            except RecordingError as error:
                self.aside[pair.response.where] = pair.electrode, error
            else:
                sweeps[pair.electrode].append(sweep)
                total[pair.electrode] += sweep.samples
        if not sweeps:
            raise self._nothing()
        if len(sweeps) == 2 and "" in sweeps:  # a series without a link to the one electrode that there is
            other = next(name for name in sweeps if name)
            sweeps = {other: sweeps[other] + sweeps[""]}
        said = about(self.tree)
        return [Recording(
            self.stem if len(sweeps) == 1 else f"{self.stem}_{name or 'unnamed'}", _numbered(found), name, **said,
            set_aside={w: str(why) for w, (electrode, why) in self.aside.items()
                       if electrode in ("", name) or len(sweeps) == 1},
            notes=self.notes + self.tree.notes,
        ) for name, found in sweeps.items()]

    def _nothing(self) -> RecordingError:
        """Why there is no sweep at all: the reason that most of them share."""
        reasons = [why for _, why in self.aside.values()]
        if not reasons:
            return RecordingError("no_sweeps", "found no patch-clamp sweep, expected current-clamp sweeps")
        if all(why.code == "voltage_clamp_only" for why in reasons):
            return RecordingError("voltage_clamp_only", f"found {len(reasons)} voltage-clamp sweeps and none in "
                                  "current clamp, expected current-clamp sweeps")
        codes = [why.code for why in reasons if why.code != "voltage_clamp_only"]
        most = max(codes, key=codes.count)
        return next(why for why in reasons if why.code == most)

    # --- what there is ------------------------------------------------------------------------------------

    def _series(self, path: str, stimuli: bool) -> dict[str, h5py.Group]:
        """Name → series of one group; what cannot be opened is set aside."""
        try:
            group = self.tree.get(path)
            names = self.tree.names(group)
        except RecordingError as error:
            if error.code == "too_large":
                raise
            self.aside[path] = "", error
            return {}
        found = {}
        for name in names:
            where = f"{path}/{clean(name)}"
            try:
                series = self.tree.get(name, group)
            except RecordingError as error:
                if not stimuli:
                    self.aside[where] = "", error
                continue
            kind = self.tree.label(series, "neurodata_type") if isinstance(series, h5py.Group) else ""
            clamp = bool(re.search("Clamp(Stimulus)?Series$", kind))
            if stimuli:
                if clamp and (path != RESPONSES or "Stimulus" in kind) or (
                        kind == "TimeSeries" and self._unit(series) in UNITS["amperes"][:-1]):
                    found[name] = series
                continue
            if not clamp:
                continue
            if "CurrentClamp" in kind and "Stimulus" not in kind or (
                    kind == "PatchClampSeries" and self._unit(series) in UNITS["volts"][:-1]):
                found[name] = series
            elif kind.startswith("IZero"):
                self.aside[where] = self._electrode_of(series), RecordingError(
                    "stimulus_missing", "it was recorded at zero current, without a command")
            elif "Stimulus" not in kind:
                self.aside[where] = self._electrode_of(series), RecordingError(
                    "voltage_clamp_only", "it is in voltage clamp")
        return found

    def _unit(self, series: h5py.Group) -> str:
        """Unit of the samples of a series, empty where it says none."""
        try:
            return self.tree.label(self.tree.dataset("data", series), "unit")
        except RecordingError:
            return ""

    def _key(self, found) -> tuple:
        """What one object has under each of its paths."""
        with translated():
            info = h5py.h5o.get_info(found.id)
            return info.fileno, info.addr

    def _electrodes(self) -> dict[tuple, str]:
        """Object of each electrode → its name."""
        found = {}
        try:
            group = self.tree.get(ICEPHYS)
            for name in self.tree.names(group):
                electrode = self.tree.get(name, group)
                if self.tree.label(electrode, "neurodata_type") in ("IntracellularElectrode", ""):
                    found[self._key(electrode)] = clean(name)
        except RecordingError:
            pass  # electrodes have no name then, which is told where it matters
        return found

    def _electrode_of(self, series: h5py.Group) -> str:
        """Name of the electrode of a series, empty where it names none."""
        try:
            found = self.tree.get("electrode", series)
            return "" if found is None else self.electrodes.get(self._key(found), clean(found.name).split("/")[-1])
        except RecordingError:
            return ""

    # --- what belongs together ----------------------------------------------------------------------------

    def _pairs(self) -> list[Pair]:
        tabled = self._by_table()
        known = {self._key(pair.response.series) for pair in tabled}
        rest = {name: s for name, s in self.responses.items() if self._key(s) not in known}
        if not rest:
            return tabled
        numbers = self._sweep_numbers()
        numbered = self._telling({name: numbers[self._key(s)] for name, s in rest.items() if self._key(s) in numbers},
                                 numbers)
        pairs = tabled + self._by_number(numbered, numbers)
        unnumbered = {name: s for name, s in rest.items() if name not in numbered}
        if unnumbered:
            pairs += self._by_name(unnumbered, {self._key(pair.stimulus.series) for pair in pairs})
        return sorted(pairs, key=lambda pair: pair.number) if not tabled else pairs

    def _by_table(self) -> list[Pair]:
        """Pairs of `intracellular_recordings`, the table that pynwb and neuroconv write."""
        table = f"{ICEPHYS}/intracellular_recordings"
        try:
            responses = self.tree.column(f"{table}/responses/response")
            stimuli = self.tree.column(f"{table}/stimuli/stimulus")
        except RecordingError as error:
            self.aside[table] = "", error
            return []
        if responses is None or stimuli is None or len(responses) != len(stimuli) \
                or not {"idx_start", "count", "timeseries"} <= set(responses.dtype.names or ()):
            return []
        if len(responses) > limits.SWEEPS:
            raise RecordingError("too_large", f"found {len(responses):,} rows in intracellular_recordings, expected at "
                                 f"most {limits.SWEEPS:,}; split the file")
        types, pairs = self._stimulus_types(len(responses)), []
        for row, (a, b) in enumerate(zip(responses, stimuli, strict=True)):
            where = f"row {row} of intracellular_recordings"
            try:
                response = self._part(a, where)
                if response is None:
                    continue
                where = response.where
                kind = self.tree.label(response.series, "neurodata_type")
                electrode = self._electrode_of(response.series)
                if "CurrentClampSeries" not in kind:
                    voltage = "Voltage" in kind
                    self.aside[where] = electrode, RecordingError(
                        "voltage_clamp_only" if voltage else "stimulus_missing",
                        "it is in voltage clamp" if voltage else "it was recorded without a command")
                    continue
                stimulus = self._part(b, where)
                if stimulus is None or self._key(stimulus.series) == self._key(response.series):
                    raise RecordingError("stimulus_missing", "found a response without a stimulus, expected both")
            except RecordingError as error:
                self.aside[where] = "", error
                continue
            number = self.tree.number(response.series, "sweep_number") if response.count is None else np.nan
            number = int(number) if np.isfinite(number) else row
            pairs.append(Pair(number, electrode, response, stimulus, types[row]))
        return pairs

    def _part(self, row, where: str) -> Part | None:
        """The samples that a row of the table refers to; None where it refers to none."""
        with translated():
            start, count, reference = int(row["idx_start"]), int(row["count"]), row["timeseries"]
            if start < 0 or count < 0 or not reference:
                return None
            series = self.tree.file[reference]
        if not isinstance(series, h5py.Group):
            raise RecordingError("samples_unexpected", f"found no series behind {where}, expected one")
        shape = self.tree.dataset("data", series).shape
        whole = start == 0 and count == max(shape, default=0)
        return Part(series) if whole else Part(series, start, count)

    def _stimulus_types(self, rows: int) -> list[str]:
        """What the tables call the stimulus of each row."""
        found = [""] * rows
        try:
            own = self.tree.column(f"{ICEPHYS}/intracellular_recordings/stimulus_type")
            if own is not None and len(own) == rows:
                return [clean(each) for each in own]
            names = self.tree.column(f"{ICEPHYS}/sequential_recordings/stimulus_type")
            groups = self._ragged("sequential_recordings/simultaneous_recordings")
            members = self._ragged("simultaneous_recordings/recordings")
            for name, group in zip(names if names is not None else (), groups, strict=False):
                for simultaneous in group:
                    for row in members[int(simultaneous)]:
                        found[int(row)] = clean(name)
        except (RecordingError, IndexError, TypeError, ValueError):
            pass  # names only confirm what the command shows
        return found

    def _ragged(self, path: str) -> list[np.ndarray]:
        """A column of lists, as the tables keep it: all values, and where each list ends."""
        values, ends = self.tree.column(f"{ICEPHYS}/{path}"), self.tree.column(f"{ICEPHYS}/{path}_index")
        return [] if values is None or ends is None else np.split(values, ends.astype(int))[: len(ends)]

    def _sweep_numbers(self) -> dict[tuple, int]:
        """Object of each series → sweep number, from the series, else from the sweep table."""
        every = [*self.responses.values(), *self.stimuli.values()]
        own = {self._key(s): self.tree.number(s, "sweep_number") for s in every}
        found = {key: int(n) for key, n in own.items() if np.isfinite(n)}
        if len(found) < len(own):
            found = self._numbers_of_table() | found
        return found

    def _numbers_of_table(self) -> dict[tuple, int]:
        table, found = f"{ICEPHYS}/sweep_table", {}
        try:
            numbers = self.tree.column(f"{table}/sweep_number")
            series = self.tree.column(f"{table}/series")
            ends = self.tree.column(f"{table}/series_index")
        except RecordingError as error:
            self.aside[table] = "", error
            return {}
        if numbers is None or series is None or ends is None or ends.dtype.kind not in "iu":
            return {}
        for number, rows in zip(numbers, np.split(series, ends.astype(int)), strict=False):
            for row in rows:
                try:
                    with translated():
                        each = self.tree.file[row if isinstance(row, h5py.Reference) else row[-1]]
                        found[self._key(each)] = int(number)
                except RecordingError:
                    continue  # the series itself is met elsewhere, and told there
        return found

    def _telling(self, numbered: dict[str, int], numbers: dict[tuple, int]) -> dict[str, int]:
        """The numbers but for those that say nothing: one alone (0, -1) for several responses of an electrode, or such
        as begin anew with each protocol, where names and numbers agree on what belongs together.
        """
        commands = Counter(_digits(name) for name in self.stimuli)
        number_of = {_digits(name): numbers.get(self._key(series)) for name, series in self.stimuli.items()}

        def anew(own: list[tuple[str, int]]) -> bool:
            keys = [_digits(name) for name, _ in own]
            return len(set(keys)) == len(own) > len({number for _, number in own}) and all(
                commands[key] == 1 and number_of[key] == number for key, (_, number) in zip(keys, own, strict=True))

        found = defaultdict(list)
        for name, number in numbered.items():
            found[self._electrode_of(self.responses[name])].append((name, number))
        return dict(each for own in found.values()
                    if len(own) == 1 or len({number for _, number in own}) > 1 and not anew(own) for each in own)

    def _by_number(self, numbered: dict[str, int], numbers: dict[tuple, int]) -> list[Pair]:
        """Pairs with one sweep number and one electrode."""
        electrode = {name: self._electrode_of(self.responses[name]) for name in numbered}
        commands = defaultdict(list)
        for series in self.stimuli.values():
            commands[numbers.get(self._key(series))].append((self._electrode_of(series), series))
        times = defaultdict(list)
        for name, number in numbered.items():
            times[number, electrode[name]].append(name)
        pairs = []
        for (number, own), names in times.items():
            fit = [s for other, s in commands[number] if other == own] \
                or [s for other, s in commands[number] if not other or not own]
            for name in names:
                if len(names) > 1 or len(fit) > 1:
                    what = RESPONSES if len(names) > 1 else STIMULI
                    error = RecordingError("sweep_number_twice", f"found two {what} series with sweep number {number}, "
                                           "expected one; give each sweep a number of its own")
                elif not fit:
                    error = RecordingError("stimulus_missing", f"found sweep {number} without a stimulus series, "
                                           "expected both")
                else:
                    pairs.append(Pair(number, own, Part(self.responses[name]), Part(fit[0])))
                    continue
                self.aside[f"{RESPONSES}/{clean(name)}"] = own, error
        return pairs

    def _by_name(self, unnumbered: dict[str, h5py.Group], taken: set[tuple]) -> list[Pair]:
        """Pairs whose names have the same numbers in them, ``response_07`` and ``stimulus_07``.

        ``taken``: stimuli that are another response's.
        """
        responses, commands = defaultdict(list), defaultdict(list)
        for name in unnumbered:
            responses[_digits(name)].append(name)
        for name, series in self.stimuli.items():
            if self._key(series) not in taken and "Voltage" not in self.tree.label(series, "neurodata_type"):
                commands[_digits(name)].append(name)
        try:
            self._check_names(set(responses), set(commands))
        except RecordingError as error:
            self.aside |= {f"{RESPONSES}/{clean(n)}": (self._electrode_of(s), error) for n, s in unnumbered.items()}
            return []
        pairs = []
        for key, names in sorted(responses.items()):
            if key and len(names) == 1 and len(commands[key]) == 1:
                series, stimulus = unnumbered[names[0]], self.stimuli[commands[key][0]]
                pairs.append(Pair(len(pairs), self._electrode_of(series), Part(series), Part(stimulus)))
                continue
            for name in names:
                where = f"{RESPONSES}/{clean(name)}"
                self.aside[where] = self._electrode_of(unnumbered[name]), RecordingError(
                    "sweep_numbers_missing", f"found no sweep number of its own for /{where} and no stimulus of the "
                    "same name, expected a number on both series, in the sweep table or in intracellular_recordings")
        if pairs:
            self.notes.append("responses and stimuli were paired by their names, the file has no table of them")
        return pairs

    def _check_names(self, responses: set[tuple], commands: set[tuple]) -> None:
        """Refuse names that leave both a response and a stimulus over: one side may count from 0, the other from 1."""
        # The stimulus of a response that was set aside is no sign of that.
        known = {_digits(where.removeprefix(f"{RESPONSES}/")) for where, (_, why) in self.aside.items()
                 if where.startswith(f"{RESPONSES}/") and why.code != "voltage_clamp_only"}
        alone = responses - commands - {()}, commands - responses - known - {()}
        if not all(alone):
            return
        said = _spans(responses - {()}, commands - {()})
        if said[0] == said[1]:
            said = [f"{each} only" for each in _spans(*alone)]
        raise RecordingError("sweep_numbers_missing", f"found the numbers {said[0]} in the names of responses and "
                             f"{said[1]} in those of stimuli, expected the same; give both series a sweep number")

    # --- one sweep ----------------------------------------------------------------------------------------

    def _sweep(self, pair: Pair) -> Sweep:
        response, stimulus = (self._samples(part) for part in (pair.response, pair.stimulus))
        self._check_units(pair, stimulus[0], response[0])
        (own, begin), (other, begin_stimulus) = (self._clock(part) for part in (pair.response, pair.stimulus))
        rate = self._common_rate(pair, own, other)
        pair.late = begin_stimulus - begin
        if stimulus[2] < response[2]:
            if (response[2] - stimulus[2]) / rate > SHORT_S:
                raise RecordingError("length_mismatch", f"found {response[2]} samples of response and {stimulus[2]} "
                                     f"of stimulus in sweep {pair.number}, expected as many of both; write the whole "
                                     "command, or cut the response to the samples that have one")
            response = (*response[:2], stimulus[2], *response[3:])
        name = next((n for n in (*(self._named(p.series) for p in (pair.response, pair.stimulus)), pair.named)
                     if n and n.upper() not in ("N/A", "NA", "UNKNOWN", "NONE")), "")
        bias, bridge = (self.tree.number(pair.response.series, n) for n in ("bias_current", "bridge_balance"))
        return Sweep(
            pair.number, pair.response.where, rate, response[2], partial(_arrays, response, stimulus), name,
            None if np.isnan(bias) else bias * 1e12, None if np.isnan(bridge) else bridge * 1e-6,
        )

    def _named(self, series: h5py.Group) -> str:
        """Name of the stimulus without what MIES appends: channel and count."""
        return re.sub(r"_DA_\d+$", "", self.tree.label(series, "stimulus_description").split("[")[0]).strip()

    def _samples(self, part: Part) -> tuple[h5py.Dataset, int, int, float, float]:
        """Data set, first sample, number of samples, conversion and offset of one part."""
        data = self.tree.dataset("data", part.series)
        where = part.where
        shape = data.shape or ()
        n = max(shape, default=0)
        if not shape or n != int(np.prod(shape, dtype=object)) or data.dtype.kind not in "iuf":
            raise RecordingError("samples_unexpected", f"found samples of shape {tuple(shape)} and type "
                                 f"{clean(data.dtype)} in {where}, expected one row of numbers")
        start, count = (0, n) if part.count is None else (part.start, part.count)
        if start + count > n:
            raise RecordingError("samples_unexpected", f"found samples {start} to {start + count} of {n} in {where}, "
                                 "expected a range inside the series")
        if count > limits.SAMPLES:
            raise RecordingError("too_large", f"found {count:,} samples, expected at most {limits.SAMPLES:,} in a "
                                 "sweep; split the file")
        if not count:
            raise RecordingError("samples_unexpected", f"found no samples in {where}, expected some")
        factor, offset = self.tree.number(data, "conversion", 1.0), self.tree.number(data, "offset", 0.0)
        if not np.isfinite(factor) or not factor or not np.isfinite(offset):
            raise RecordingError("unit_unexpected", f"found conversion {factor:g} and offset {offset:g} in {where}, "
                                 "expected finite numbers; find out what the numbers are")
        return data, start, count, factor, offset

    def _check_units(self, pair: Pair, stimulus: h5py.Dataset, response: h5py.Dataset) -> None:
        found = [self.tree.label(data, "unit") for data in (stimulus, response)]
        if found[0] not in UNITS["amperes"] or found[1] not in UNITS["volts"]:
            raise RecordingError("unit_unexpected", f"found units {found[0]!r} and {found[1]!r} in sweep "
                                 f"{pair.number}, expected 'amperes' and 'volts'; find out what the numbers are")

    def _clock(self, part: Part) -> tuple[float, float]:
        """Samples per second and the time of the first one (s), by starting time or timestamps; NaN without them."""
        start = self.tree.get("starting_time", part.series)
        rate = np.nan if start is None else self.tree.number(start, "rate")
        begin = np.nan
        if np.isnan(rate) and self.tree.get("timestamps", part.series) is not None:
            times = self.tree.dataset("timestamps", part.series)
            count = part.count or times.size or 0
            if times.ndim != 1 or times.dtype.kind not in "iuf" or not 2 <= count <= limits.SAMPLES:
                raise RecordingError("rate_missing", f"found {count} timestamps in {part.where}, expected one a sample")
            times = hdf5.read(times, part.start, count).astype(float)
            rate, begin = _rate_of(times, part.where), float(times[0])
        if not np.isnan(rate) and not RATES[0] <= rate <= RATES[1]:
            raise RecordingError("rate_missing", f"found a sampling rate of {rate:g} Hz in {part.where}, expected "
                                 "1,000 Hz to 100 MHz; correct it, a rate belongs in Hz and timestamps in seconds")
        if np.isnan(begin):
            begin = self.tree.number(part.series, "starting_time") + part.start / rate
        return rate, begin

    def _common_rate(self, pair: Pair, response: float, stimulus: float) -> float:
        if np.isnan(response) and np.isnan(stimulus):
            raise RecordingError("rate_missing", f"found neither a rate nor timestamps in {pair.response.where}, "
                                 "expected one of them")
        if abs(response / stimulus - 1) > RATE_TOLERANCE:
            raise RecordingError("clocks_disagree", f"found a response sampled at {response / 1e3:g} kHz and its "
                                 f"stimulus at {stimulus / 1e3:g} kHz in sweep {pair.number}, expected one rate; "
                                 "correct the file")
        return stimulus if not np.isnan(stimulus) else response


def _check_beginning(pair: Pair) -> None:
    """Refuse a command that begins earlier or later than its response, where both have one clock."""
    if abs(pair.late) > LATE_S:
        raise RecordingError("clocks_disagree", f"found a stimulus that begins {abs(pair.late) * 1e3:g} ms "
                             f"{'before' if pair.late < 0 else 'after'} its response in sweep {pair.number}, expected "
                             "both at once; correct starting_time, or cut both to the same samples")


def _digits(name: str) -> tuple[int, ...]:
    """The numbers in a name."""
    return tuple(int(d) for d in re.findall(r"\d{1,9}", clean(name)))


def _spans(*sides: set[tuple[int, ...]]) -> list[str]:
    """The least and the greatest of the numbers in the names of each side, ``0 to 16``, without what all share."""
    every = [key for side in sides for key in side]
    even = len({len(key) for key in every}) == 1
    shared = {k for k, each in enumerate(zip(*every, strict=False)) if even and len(set(each)) == 1}
    said = [["-".join(str(n) for k, n in enumerate(key) if k not in shared) for key in (min(side), max(side))]
            for side in sides]
    return [" to ".join(dict.fromkeys(ends)) for ends in said]


def _rate_of(times: np.ndarray, where: str) -> float:
    """Rate (Hz) of evenly spaced timestamps (s); a whole number where it is one but for rounding."""
    steps = np.diff(times)
    step = (times[-1] - times[0]) / len(steps)
    even = np.isfinite(step) and step > 0 and np.abs(times - times[0] - step * np.arange(len(times))).max() < step
    if not even or steps.min() <= 0:
        raise RecordingError("rate_missing", f"found timestamps with gaps in {where}, expected evenly spaced ones; "
                             "leave the sweep out")
    rate = 1 / step
    return float(np.rint(rate)) if abs(rate / np.rint(rate) - 1) < 1e-6 else float(rate)


def _values(samples: tuple, to_unit: float) -> np.ndarray:
    data, start, count, factor, offset = samples
    raw = hdf5.read(data, start, count)
    if raw.dtype.itemsize < 4 and raw.dtype.kind == "f":
        raw = raw.astype("float32")
    # Two products, as ipfx's reader takes them: one would differ in the last bit.
    values = raw * factor
    return (values + offset if offset else values) * to_unit


def _arrays(response: tuple, stimulus: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Potential (mV) and command (pA); a command longer than the response, or missing at the end, is cut."""
    v = _values(response, 1e3)
    i = _values((*stimulus[:2], response[2], *stimulus[3:]), 1e12)
    if len(i) and np.isnan(i[-1]):
        known = np.flatnonzero(~np.isnan(i))
        end = known[-1] + 1 if len(known) else 0
        if not end:
            raise RecordingError("stimulus_missing", "found a command of missing values alone, expected numbers")
        v, i = v[:end], i[:end]
    return v, i


def _numbered(sweeps: list[Sweep]) -> list[Sweep]:
    """Sweeps with a number each: their own where these are distinct, else their position."""
    if len({sweep.number for sweep in sweeps}) < len(sweeps):
        for k, sweep in enumerate(sweeps):
            sweep.number = k
    return sweeps
