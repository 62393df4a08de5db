"""Axon files (ABF 1 and 2) made byte by byte after Molecular Devices' description of the format."""

import struct

import numpy as np

BLOCK = 512
STEP, RAMP = 1, 2
INTERVAL = 50.0  # µs between samples of one channel
GAIN = 10.0 / 32768 / 0.01  # mV (or pA) of one unit: range / resolution / scale factor


def abf2(path, samples, adc=(("IN 0", "mV"),), dac=(("Cmd 0", "pA"),), epochs=(), holding=(0.0,), enabled=(1,),
         source=(1,), mode=5, telegraph=None, user_list=False, alternate=False, protocol="C:\\rig\\steps.pro"):
    """Write an ABF 2 file.

    Parameters: ``samples``, integers (sweeps, samples, channels); ``epochs``: (output, type, level, more each sweep,
    samples, more samples each sweep); ``telegraph``: mode of a MultiClamp (0 voltage, 1 current, 2 zero current).
    """
    sweeps, points, channels = samples.shape
    texts = ["", "Clampex", protocol, *(t for pair in (*adc, *dac) for t in pair)]
    places = {t: k for k, t in enumerate(texts)}
    strings = b"SSCH".ljust(44, b"\x01") + b"\0" + b"\0".join(t.encode("latin-1") for t in texts) + b"\0"

    def entry(size, *values):
        data = bytearray(size)
        for form, at, value in values:
            struct.pack_into("<" + form, data, at, value)
        return bytes(data)

    protocol_entry = entry(512, ("h", 0, mode), ("f", 2, INTERVAL), ("i", 22, points * channels), ("f", 110, 10.0),
                           ("i", 118, 32768), ("h", 182, int(alternate)))
    adcs = [entry(128, ("h", 0, k), ("h", 2, int(telegraph is not None)), ("h", 4, 24 * (telegraph is not None)),
                  ("f", 6, 1.0), ("h", 18, telegraph or 0), ("f", 28, 1.0), ("f", 40, 0.01), ("f", 48, 1.0),
                  ("i", 74, places[name]), ("i", 78, places[unit])) for k, (name, unit) in enumerate(adc)]
    dacs = [entry(256, ("h", 0, k), ("f", 12, holding[k]), ("i", 24, places[name]), ("i", 28, places[unit]),
                  ("h", 40, enabled[k]), ("h", 42, source[k]), ("i", 118, 1)) for k, (name, unit) in enumerate(dac)]
    shapes = [entry(48, ("h", 0, k), ("h", 2, output), ("h", 4, kind), ("f", 6, level), ("f", 10, more),
                    ("i", 14, n), ("i", 18, longer)) for k, (output, kind, level, more, n, longer) in enumerate(epochs)]
    digital = [entry(32, ("h", 0, k)) for k in range(len(epochs))]
    users = [entry(64, ("h", 4, 12))] if user_list else []
    synch = [entry(8, ("i", 0, k * points * channels), ("i", 4, points * channels)) for k in range(sweeps)]
    parts = {0: [protocol_entry], 1: adcs, 2: dacs, 3: digital, 5: shapes, 6: users, 9: [strings],
             10: [samples.astype("<i2").tobytes()], 15: synch}
    head, body = bytearray(BLOCK), bytearray()
    struct.pack_into("<4s4BII", head, 0, b"ABF2", 0, 0, 6, 2, BLOCK, sweeps)
    struct.pack_into("<H", head, 30, 0)
    struct.pack_into("<III", head, 60, 1, 0, 0)
    struct.pack_into("<I", head, 72, places[protocol])
    for section, entries in parts.items():
        if entries:
            size, count = len(entries[0]), len(entries)
            if section == 10:
                size, count = 2, samples.size
            struct.pack_into("<IIq", head, 76 + 16 * section, 1 + len(body) // BLOCK, size, count)
            body += b"".join(entries)
            body += bytes(-len(body) % BLOCK)
    path.write_bytes(bytes(head + body))
    return path


def abf1(path, samples, holding=0.0, epochs=(), unit="mV", command="pA", version=1.83, ignored=0):
    """Write an ABF 1 file of one channel; ``samples``, integers (sweeps, samples); ``epochs`` as in `abf2`."""
    sweeps, points = samples.shape
    head = bytearray(6144)

    def put(form, at, *values):
        struct.pack_into("<" + form, head, at, *values)

    put("4sfh", 0, b"ABF ", version, 5)
    put("i", 10, samples.size)
    put("h", 14, ignored)
    put("i", 16, sweeps)
    put("i", 40, 12)
    put("h", 120, 1)
    put("f", 122, INTERVAL)
    put("ff", 244, 10.0, 10.0)
    put("ii", 252, 32768, 32768)
    put("16h", 410, 0, *[-1] * 15)
    put("10s", 442, b"IN 0      ")
    for k in range(16):
        put("8s", 602 + 8 * k, unit.encode("latin-1").ljust(8))
        for at, value in ((730, 1.0), (922, 0.01), (1050, 1.0)):
            put("f", at + 4 * k, value)
    for k in range(4):
        put("10s", 1306 + 10 * k, f"Cmd {k}".encode().ljust(10))
        put("8s", 1346 + 8 * k, command.encode().ljust(8))
        put("f", 5298 + 4 * k, holding)
    put("2h", 2296, 1, 0)
    put("2h", 2300, 1, 0)
    for k, (_, kind, level, more, n, longer) in enumerate(epochs):
        put("h", 2308 + 2 * k, kind)
        put("f", 2348 + 4 * k, level)
        put("f", 2428 + 4 * k, more)
        put("i", 2508 + 4 * k, n)
        put("i", 2588 + 4 * k, longer)
    path.write_bytes(bytes(head) + bytes(2 * ignored) + samples.astype("<i2").tobytes())
    return path


def counts(values):
    """Potentials (mV) or currents (pA) as stored integers."""
    return np.rint(np.asarray(values) / GAIN).astype("<i2")
