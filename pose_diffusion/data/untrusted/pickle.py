"""Reads the pickles inside .npy files without unpickling them: numpy arrays, numpy scalars and plain containers alone.

A pickle is a program for a small stack machine. `parse` walks its opcodes (pickletools, PEP 3154) and builds plain
containers; a call to a global becomes an inert `_Call` record and is never made. `build` then turns the records that
describe numpy data into arrays, after checking each one, and refuses every other. So no object of the file's choosing is
constructed, no `__setstate__` runs, and nothing is allocated beyond what the file itself holds and a bounded number of objects.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import IO, Any

import numpy as np


class Refused(ValueError):
    """What the pickle holds that is neither numpy data nor a plain container; the message goes into an InputError."""


@dataclass
class _Global:
    name: str


@dataclass
class _Call:
    name: str
    arguments: tuple
    state: Any = None


_MAX_DEPTH = 64
MOST_OPERATIONS = (
    20_000_000  # each makes one object at the most, of 64 bytes if empty; a published data set has some ten thousand
)
_ARRAY, _DTYPE, _SCALAR, _BUFFER = "numpy.reconstruct", "numpy.dtype", "numpy.scalar", "numpy.frombuffer"
_KNOWN = {
    **{f"numpy.{core}.multiarray _reconstruct": _ARRAY for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray scalar": _SCALAR for core in ("core", "_core")},
    **{f"numpy.{core}.numeric _frombuffer": _BUFFER for core in ("core", "_core")},
    "numpy dtype": _DTYPE,
    "numpy ndarray": "numpy.ndarray",
    "_codecs encode": "encode",
    "__builtin__ bytes": "bytes",
    "builtins bytes": "bytes",
    "collections OrderedDict": "dict",
}
_LITERALS = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8",
})  # fmt: skip
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple,
}  # fmt: skip
_DTYPE_NAME = re.compile(r"[<>=|]?(?:b1|\?|[iu][1248]|f[248]|c8|c16|[biufcSU]\d{1,9}|O8?)")


def load(stream: IO[bytes], most_operations: int = MOST_OPERATIONS) -> Any:
    """The object that the pickle in `stream` describes. Raises Refused for anything that is not plain data."""
    try:
        return _build(_parse(stream, most_operations), {}, 0)
    except Refused:
        raise
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, UnicodeError) as error:
        raise Refused(f"not a sound pickle ({error})") from None


def _parse(stream: IO[bytes], most_operations: int) -> Any:
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def to_mark() -> list[Any]:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    opcodes: Iterable[tuple[Any, Any, Any]] = pickletools.genops(stream)
    for count, (opcode, argument, _) in enumerate(opcodes):
        if count == most_operations:
            raise Refused(f"a pickle of more than {most_operations:,} operations (a pickle bomb)")
        name = opcode.name
        if name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "MARK":
            marks.append(len(stack))
        elif name == "POP":
            stack.pop()
        elif name == "APPEND":
            item = stack.pop()
            _of(list, stack[-1]).append(item)
        elif name == "APPENDS":
            items = to_mark()
            _of(list, stack[-1]).extend(items)
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            _items(stack[-1])[key] = value
        elif name == "SETITEMS":
            items = to_mark()
            _items(stack[-1]).update(zip(items[::2], items[1::2], strict=True))
        elif name in ("TUPLE", "LIST"):
            items = to_mark()
            stack.append(tuple(items) if name == "TUPLE" else items)
        elif name == "DICT":
            items = to_mark()
            stack.append(dict(zip(items[::2], items[1::2], strict=True)))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            items = [stack.pop() for _ in range(count)]
            stack.append(tuple(reversed(items)))
        elif name == "GLOBAL":
            stack.append(_global(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(_global(module, attribute))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(_Call(_of(_Global, function).name, _of(tuple, arguments)))
        elif name == "BUILD":
            state = stack.pop()
            _of(_Call, stack[-1]).state = state
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "FRAME"):
            raise Refused(f"the pickle opcode {name}")
    raise Refused("a pickle without an end")


def _global(module: str, attribute: str) -> _Global:
    known = _KNOWN.get(f"{module} {attribute}")
    if known is None:
        raise Refused(f"the global {module}.{attribute}")
    return _Global(known)


def _of(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise Refused(f"a {type(value).__name__.strip('_')} where pickled numpy data has a {kind.__name__.strip('_')}")
    return value


def _items(value: Any) -> dict:
    """The dict that SETITEMS fills; an OrderedDict's items are kept as the state of its call."""
    if isinstance(value, _Call) and value.name == "dict" and not value.arguments:
        value.state = value.state if value.state is not None else {}
        return _of(dict, value.state)
    return _of(dict, value)


def _build(value: Any, done: dict[int, Any], depth: int) -> Any:
    """Plain data from parsed data; `done` keeps shared objects shared (and work linear in the pickle's size)."""
    if isinstance(value, str | int | float | bytes | bytearray | None):
        return value
    if depth > _MAX_DEPTH:
        raise Refused(f"containers nested more than {_MAX_DEPTH} deep")
    if id(value) in done:
        return done[id(value)]
    built: Any
    if isinstance(value, dict):
        built = {_key(key): _build(item, done, depth + 1) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        built = type(value)(_build(item, done, depth + 1) for item in value)
    elif isinstance(value, _Call):
        built = _call(value, done, depth)
    else:
        raise Refused(f"the global {value.name} as a value")
    done[id(value)] = built
    return built


def _key(key: Any) -> Any:
    if not isinstance(key, str | int | float | bytes | tuple | None):
        raise Refused(f"a {type(key).__name__.strip('_')} as a key")
    return key


def _call(call: _Call, done: dict[int, Any], depth: int) -> Any:
    if call.name == "dict":
        return _build(call.state or {}, done, depth + 1)
    if call.name == "encode":
        text, codec = call.arguments
        if codec not in ("latin1", "latin-1"):
            raise Refused(f"bytes encoded as {codec}")
        return text.encode("latin1")
    if call.name == "bytes" and not call.arguments:
        return b""
    if call.name == _DTYPE:
        return _dtype(call)
    if call.name == _SCALAR:
        kind, raw = call.arguments
        return _array((), _build(kind, done, depth + 1), False, _build(raw, done, depth + 1))[()]
    if call.name == _BUFFER:
        raw, kind, shape, order = call.arguments
        return _array(shape, _build(kind, done, depth + 1), order == "F", raw)
    if call.name == _ARRAY and isinstance(call.state, tuple):
        _, shape, kind, fortran, raw = call.state
        return _array(shape, _build(kind, done, depth + 1), fortran, _build(raw, done, depth + 1))
    raise Refused(f"a call of {call.name}")


def _dtype(call: _Call) -> np.dtype:
    name = call.arguments[0]
    if not isinstance(name, str) or not _DTYPE_NAME.fullmatch(name):
        raise Refused(f"the numpy dtype {name!r}")
    if call.state is None:
        return np.dtype(name)
    _, order, subarray, names, named_fields = call.state[:5]
    if (subarray, names, named_fields) != (None, None, None) or order not in ("<", ">", "|", "="):
        raise Refused(f"a structured numpy dtype {name!r}")
    return np.dtype(name).newbyteorder(order)


def _array(shape: Any, kind: Any, fortran: Any, raw: Any) -> np.ndarray:
    """An array over the pickle's own bytes (no copy, read-only), or of the objects in its list."""
    if not isinstance(kind, np.dtype) or type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape):
        raise Refused("a numpy array without a shape and dtype")
    count = 1
    for n in shape:
        count *= n
    if kind.hasobject:
        if type(raw) is not list or len(raw) != count:
            raise Refused(f"an object array of shape {shape} without its {count} objects")
        flat = np.empty(count, object)
        for index, item in enumerate(raw):  # assigning the list at once would unpack equal-sized arrays
            flat[index] = item
    else:
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        if not isinstance(raw, bytes | bytearray) or len(raw) != count * kind.itemsize:
            raise Refused(f"an array of shape {shape} and type {kind} whose data is of another size")
        flat = np.frombuffer(raw, kind) if count * kind.itemsize else np.empty(count, kind)
    return flat.reshape(shape, order="F" if fortran else "C")
