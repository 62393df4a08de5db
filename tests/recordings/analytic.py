"""Cells whose every feature is known beforehand: an RC membrane with spikes pasted at chosen times."""

import numpy as np

from patchtype.recordings.nwb import RawSweep
from patchtype.recordings.recording import Recording, Sweep

RATE = 50_000.0
STEP_ON, STEP_OFF, END = 0.6, 1.6, 2.15  # s
REST, RESISTANCE, TAU = -70.0, 0.2, 0.02  # mV, GOhm, s
THRESHOLD, PEAK, TROUGH = -40.0, 30.0, -60.0  # mV
RHEOBASE = 110  # pA


def command(end=END, rate=RATE, pulses=((STEP_ON, STEP_OFF, 0.0),), test_pulse=True):
    """Noise-free command current (pA)."""
    t = np.arange(round(end * rate)) / rate
    i = np.zeros(len(t))
    if test_pulse:
        i[round(0.02 * rate):round(0.03 * rate)] = -20.0
    for on, off, pa in pulses:
        i[round(on * rate):round(off * rate)] = pa
    return t, i


def membrane(i, rate=RATE):
    """Exact response (mV) of the RC membrane to a piecewise constant current."""
    decay = np.exp(-1 / (rate * TAU))
    v = np.empty(len(i))
    edges = np.flatnonzero(np.diff(i)) + 1
    state = 0.0
    for a, b in zip(np.r_[0, edges], np.r_[edges, len(i)], strict=True):
        target = i[a] * RESISTANCE
        v[a:b] = target + (state - target) * decay ** np.arange(1, b - a + 1)
        state = v[b - 1]
    return REST + v


def spike(rate=RATE):
    """One action potential (mV) from threshold over the peak to the trough, 1.5 ms, no kink at the start."""
    up = np.arange(round(0.0005 * rate)) / round(0.0005 * rate)
    down = np.arange(round(0.001 * rate) + 1) / round(0.001 * rate)
    rise = THRESHOLD + (PEAK - THRESHOLD) * (1 - np.cos(np.pi * up)) / 2
    fall = PEAK + (TROUGH - PEAK) * (1 - np.cos(np.pi * down)) / 2
    return np.r_[rise, fall]


def with_spikes(t, v, times, rate=RATE):
    """Paste spikes starting at ``times`` (s); between them the potential climbs straight back to threshold."""
    shape = spike(rate)
    starts = np.round(np.asarray(times) * rate).astype(int)
    v = np.minimum(v, THRESHOLD - 8)
    if len(starts):
        a = round(STEP_ON * rate)
        if a < starts[0]:
            v[a:starts[0]] = np.linspace(v[a - 1], THRESHOLD, starts[0] - a)
    for k, s in enumerate(starts):
        v[s:s + len(shape)] = shape
        after = s + len(shape)
        if k + 1 < len(starts):
            v[after:starts[k + 1]] = np.linspace(TROUGH, THRESHOLD, starts[k + 1] - after)
        else:
            v[after:] = v[-1] + (TROUGH - v[-1]) * np.exp(-(t[after:] - t[after]) / TAU)
    return v


def spike_times(pa):
    """Regular firing: 5 spikes/s at rheobase, 10 more per 40 pA; the first spike 20 ms after onset."""
    if pa < RHEOBASE:
        return np.array([])
    interval = 1 / (5 + (pa - RHEOBASE) / 4)
    return np.arange(STEP_ON + 0.02, STEP_OFF - 0.005, interval)


def recorded(v, rng, sd=0.02):
    """The potential as the amplifier gives it: a little noise, steps of 1/32 mV."""
    return np.round((v + rng.normal(0, sd, len(v))) * 32) / 32


def long_square(pa, rng, rate=RATE, end=END, times=None, **kwargs):
    t, i = command(end, rate, ((STEP_ON, STEP_OFF, pa),), **kwargs)
    v = membrane(i, rate)
    times = spike_times(pa) if times is None else times
    if len(times):
        v = with_spikes(t, v, times, rate)
    code = "X1PS_SubThresh_DA_0" if pa <= 0 else "X3LP_Rheo_DA_0" if pa <= RHEOBASE else "X4PS_SupraThresh_DA_0"
    return RawSweep(code, i, recorded(v, rng))


def short_square(pa, rng, rate=RATE):
    on, off = STEP_ON, STEP_ON + 0.003
    t, i = command(1.3, rate, ((on, off, pa),))
    v = membrane(i, rate)
    if pa >= 400:
        v = with_spikes(t, np.minimum(v, THRESHOLD - 8), [on + 0.002], rate)
    return RawSweep("X6SP_Rheo_DA_0", i, recorded(v, rng))


def ramp(rng, rate=RATE, slope=25.0, at=2.0):
    t = np.arange(round(3.6 * rate)) / rate
    i = np.zeros(len(t))
    i[round(0.02 * rate):round(0.03 * rate)] = -20.0
    on = t >= STEP_ON
    i[on] = slope * (t[on] - STEP_ON)
    v = with_spikes(t, np.full(len(t), REST), [at, at + 0.2, at + 0.4], rate)
    return RawSweep("X7Ramp_DA_0", i, recorded(v, rng))


def cell(rate=RATE, seed=0, amplitudes=(*range(-110, 0, 20), *range(10, 211, 20)), short=True, ramps=True):
    """A whole good cell: long squares, three repeats of a short square, one ramp."""
    rng = np.random.default_rng(seed)
    sweeps = [long_square(pa, rng, rate) for pa in amplitudes]
    if short:
        sweeps += [short_square(pa, rng, rate) for pa in (350, 400, 400, 400)]
    if ramps:
        sweeps.append(ramp(rng, rate))
    return sweeps


def recording(sweeps, rate=RATE, cell_id="cell"):
    """The sweeps as a reader would give them, without a file."""
    def sweep(k, raw):
        v, i = np.array(raw.v_mv, float), np.array(raw.i_pa, float)
        return Sweep(k, f"sweep {k}", rate, len(v), lambda: (v, i), raw.code)
    return Recording(cell_id, [sweep(k, raw) for k, raw in enumerate(sweeps)])


def steps(amplitudes, rate=20_000.0, onset=0.15, length=0.5, end=1.0, name="FI", holding=0.0, counts=None,
          prepulse=None, noise=0.01):
    """A plain step protocol of another laboratory, no test pulse, no code; ``counts``: amplitude → spikes."""
    rng = np.random.default_rng(0)
    out = []
    t = np.arange(round(end * rate)) / rate
    for pa in amplitudes:
        i = np.zeros(len(t))
        if prepulse:
            first, last, size = prepulse
            i[round(first * rate):round(last * rate)] = size
        i[round(onset * rate):round((onset + length) * rate)] = pa
        v = membrane(i, rate)
        n = (counts or {}).get(pa, 0)
        if n:
            shape, starts = spike(rate), onset + 0.02 + np.arange(n) * (length - 0.04) / n
            v = np.minimum(v, THRESHOLD - 8)
            for s in np.round(starts * rate).astype(int):
                lead = round(0.004 * rate)
                v[s - lead:s] = np.linspace(v[s - lead - 1], THRESHOLD, lead)
                v[s:s + len(shape)] = shape
        out.append(RawSweep(name, i + holding, v + rng.normal(0, noise, len(v))))
    return out
