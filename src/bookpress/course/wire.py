"""Plain values on the line between the judge and the process that runs a student's code.

What comes from a student is JSON and becomes numbers, words, lists, arrays and tables, never an object of a class that
the student wrote: an ``__eq__`` that is always true stays on the other side. No pickle.
"""

from __future__ import annotations

import base64
import builtins
import importlib
import json
import math
import socket
import struct
import time
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pandas as pd

#: The longest message, in bytes: a table of all cells and features has a tenth of it.
LONGEST = 64 << 20
DEEPEST = 20
HEAD = struct.Struct("!Q")


class WireError(Exception):
    """What came over the line is no plain value, too long, too late, or the line is closed."""


class Other:
    """Stands for a value that is not plain; of it only the name of its type is told."""

    def __init__(self, kind: str):
        self.kind = kind

    def __repr__(self) -> str:
        return f"<{self.kind}>"


def encode(value: Any, depth: int = 0) -> Any:
    """A value as JSON can hold it; what is not plain becomes its type's name.

    >>> decode(encode({"a": (1, np.float64(0.5))}))
    {'a': (1, 0.5)}
    """
    if depth > DEEPEST:
        return {"t": "other", "kind": "something too deeply nested"}
    if value is None or isinstance(value, bool | str):
        return value if type(value) in (type(None), bool, str) else str(value)
    if isinstance(value, np.generic) and value.ndim == 0 and value.dtype.kind in "biuf":
        return value.item()
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, list | tuple | set | frozenset):
        kind = "tuple" if isinstance(value, tuple) else "set" if isinstance(value, set | frozenset) else "list"
        return {"t": kind, "v": [encode(item, depth + 1) for item in value]}
    if isinstance(value, range | type({}.keys()) | type({}.values())):
        return encode(list(value), depth)
    if isinstance(value, dict):
        return {"t": "dict", "v": [[encode(k, depth + 1), encode(v, depth + 1)] for k, v in value.items()]}
    if isinstance(value, slice):
        return {"t": "slice", "v": [encode(part, depth + 1) for part in (value.start, value.stop, value.step)]}
    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach"):
        return encode(value.detach().cpu().numpy(), depth)
    if isinstance(value, np.ndarray):
        return _array(value, depth)
    if isinstance(value, pd.Index):
        return {"t": "index", "v": _labels(value, depth), "names": [encode(name) for name in value.names]}
    if isinstance(value, pd.Series):
        return {"t": "series", "v": _array(np.asarray(value), depth), "index": encode(value.index, depth + 1),
                "name": encode(value.name)}
    if isinstance(value, pd.DataFrame):
        columns = [_array(np.asarray(value.iloc[:, i]), depth) for i in range(value.shape[1])]
        return {"t": "frame", "v": columns, "index": encode(value.index, depth + 1),
                "columns": encode(value.columns, depth + 1)}
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        return {"t": "record", "class": f"{kind.__module__}:{kind.__qualname__}",
                "v": {field.name: encode(getattr(value, field.name), depth + 1) for field in fields(value)}}
    return {"t": "function" if callable(value) else "other", "kind": type(value).__name__}


def _array(value: np.ndarray, depth: int) -> dict[str, Any]:
    if value.dtype.kind in "biufc":
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"t": "array", "dtype": value.dtype.str, "shape": list(value.shape), "v": data}
    items = [encode(item, depth + 1) for item in value.ravel().tolist()]
    return {"t": "array", "dtype": "O" if value.dtype.kind != "U" else "U", "shape": list(value.shape), "v": items}


def _labels(index: pd.Index, depth: int) -> Any:
    if isinstance(index, pd.MultiIndex):
        return encode(index.tolist(), depth)
    return _array(np.asarray(index), depth)


def decode(value: Any, trusting: bool = False) -> Any:
    """The value again; ``trusting``: records become objects of their class, as only the judge may ask for.

    Raises WireError for anything that `encode` does not write.
    """
    try:
        return _decode(value, trusting)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError, MemoryError) as error:
        raise WireError(f"no plain value ({type(error).__name__})") from error


def _decode(value: Any, trusting: bool) -> Any:
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise TypeError(type(value).__name__)
        return value
    kind, held = value["t"], value.get("v")
    if kind in ("list", "tuple", "set"):
        return {"list": list, "tuple": tuple, "set": set}[kind](_decode(item, trusting) for item in held)
    if kind == "dict":
        return {_decode(k, trusting): _decode(v, trusting) for k, v in held}
    if kind == "slice":
        return slice(*(_decode(part, trusting) for part in held))
    if kind == "array":
        return _decode_array(value)
    if kind == "index":
        labels, names = _decode(held, trusting), [_decode(name, False) for name in value["names"]]
        if isinstance(labels, list):
            return pd.MultiIndex.from_tuples(labels, names=names) if labels else pd.Index([])
        return pd.Index(labels, name=names[0])
    if kind == "series":
        return pd.Series(_decode_array(held), _decode(value["index"], trusting), name=_decode(value["name"], False))
    if kind == "frame":
        index, columns = _decode(value["index"], trusting), _decode(value["columns"], trusting)
        frame = pd.DataFrame({i: _decode_array(column) for i, column in enumerate(held)}, index=index)
        return frame.set_axis(columns, axis=1)
    if kind == "record" and trusting:
        module, _, name = value["class"].partition(":")
        return getattr(importlib.import_module(module), name)(**{k: _decode(v, True) for k, v in held.items()})
    return Other(str(value.get("kind") or value.get("class", "?"))[:80])


def _decode_array(value: dict[str, Any]) -> np.ndarray:
    shape = tuple(int(n) for n in value["shape"])
    if isinstance(value["v"], str):
        dtype = np.dtype(value["dtype"])
        if dtype.kind not in "biufc":
            raise TypeError(dtype.str)
        return np.frombuffer(base64.b64decode(value["v"]), dtype).reshape(shape).copy()
    items = [_decode(item, False) for item in value["v"]]
    if math.prod(shape) != len(items):
        raise ValueError("shape")
    flat = np.empty(len(items), object)
    flat[:] = items
    return flat.reshape(shape).astype(str) if value["dtype"] == "U" else flat.reshape(shape)


def send(line: socket.socket, message: dict[str, Any]) -> None:
    data = json.dumps(message).encode("utf-8", "replace")
    if len(data) > LONGEST:
        data = json.dumps({"raised": "ValueError", "says": "the answer is too large"}).encode()
    line.sendall(HEAD.pack(len(data)) + data)


def receive(line: socket.socket, limit_s: float | None = None) -> dict[str, Any]:
    """The next message; WireError when it is none, and TimeoutError after ``limit_s`` seconds."""
    until = None if limit_s is None else time.monotonic() + limit_s
    (length,) = HEAD.unpack(_read(line, HEAD.size, until))
    if length > LONGEST:
        raise WireError("the answer is too large")
    try:
        message = json.loads(_read(line, length, until))
    except (ValueError, RecursionError) as error:
        raise WireError("no plain value") from error
    if not isinstance(message, dict):
        raise WireError("no plain value")
    return message


def _read(line: socket.socket, length: int, until: float | None) -> bytes:
    data = bytearray()
    while len(data) < length:
        if until is not None:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            line.settimeout(left)
        got = line.recv(min(length - len(data), 1 << 20))
        if not got:
            raise WireError("the line is closed")
        data += got
    return bytes(data)


def raised(name: str, says: str) -> Exception:
    """An exception of this name to raise again, if Python has one of it; else a RuntimeError that names it."""
    kind = getattr(builtins, name, None) if isinstance(name, str) else None
    if isinstance(kind, type) and issubclass(kind, Exception) and kind is not AssertionError:
        try:
            return kind(says)
        except TypeError:
            pass
    return RuntimeError(f"{name}: {says}")


def told(error: BaseException) -> dict[str, str]:
    """What is told of an exception."""
    try:
        says = str(error)
    except BaseException:  # its own __str__ may raise
        says = ""
    return {"raised": type(error).__name__[:80], "says": says[:500]}


