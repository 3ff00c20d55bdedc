from __future__ import annotations

import io
import os
import pickle
import pickletools
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pose_diffusion.data.untrusted import npz
from pose_diffusion.data.untrusted import pickle as untrusted
from pose_diffusion.errors import InputError

NESTED = {
    "S1": {"Walking 1": [np.arange(12, dtype=np.float32).reshape(2, 3, 2), np.zeros((0, 17, 2))]},
    "meta": {"name": "h36m", "joints": 17, "scale": np.float64(0.5), "pairs": ([1, 2], (3, None, True)), "raw": b"\x00\xff"},
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "text": np.array(["a", "bc"]),
    "big_endian": np.arange(3, dtype=">i4"),
    "ragged": np.array([np.zeros(2), None, {"x": [1.5]}], dtype=object),
}


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def npz_of(path: Path, pickled: bytes, shape: tuple[int, ...] = ()) -> str:
    """An .npz whose member 'a' is an object array with this pickle."""
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": "|O", "fortran_order": False, "shape": shape})
    return zip_of(path, {"a.npy": member.getvalue() + pickled})


def zip_of(path: Path, members: dict[str, bytes]) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return str(path)


def npy_bytes(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def assert_same(found: object, expected: object) -> None:
    assert type(found) is type(expected)
    if isinstance(expected, np.ndarray):
        assert isinstance(found, np.ndarray) and found.dtype == expected.dtype and found.shape == expected.shape
        if expected.dtype == object:
            assert_same(found.tolist(), expected.tolist())
        else:
            np.testing.assert_array_equal(found, expected)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)  # type: ignore[call-overload]
        for key in expected:
            assert_same(found[key], expected[key])  # type: ignore[index]
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)  # type: ignore[arg-type]
        for one, other in zip(found, expected, strict=True):  # type: ignore[call-overload]
            assert_same(one, other)
    else:
        assert found == expected


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_plain_arrays_come_back_as_numpy_reads_them(tmp_path: Path, save) -> None:
    arrays = {key: value for key, value in NESTED.items() if isinstance(value, np.ndarray) and value.dtype != object}
    arrays |= {"empty": np.zeros((0, 3)), "number": np.array(3.5), "structured": np.zeros(2, [("x", "f4"), ("n", "i8")])}
    save(tmp_path / "a.npz", **arrays)
    found = npz.load(str(tmp_path / "a.npz"))
    assert list(found) == list(arrays)
    for key, expected in arrays.items():
        assert_same(found[key], expected)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nested_objects_come_back_whatever_the_pickle_protocol(tmp_path: Path, protocol: int) -> None:
    path = npz_of(tmp_path / "a.npz", pickle.dumps(np.array(NESTED, dtype=object), protocol))
    assert_same(npz.load(path)["a"], NESTED)


def test_published_layout_of_numpy_before_2_is_read(tmp_path: Path) -> None:
    pickled = pickle.dumps(np.array(NESTED, dtype=object), 3).replace(b"numpy._core.", b"numpy.core.")
    assert_same(npz.load(npz_of(tmp_path / "a.npz", pickled))["a"], NESTED)


def test_an_ordered_dict_comes_back_as_a_dict(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.array(OrderedDict(S9=[1], S11=[2]), dtype=object))
    assert npz.load(str(tmp_path / "a.npz"))["a"] == {"S9": [1], "S11": [2]}


def test_an_array_that_is_there_twice_is_held_once(tmp_path: Path) -> None:
    shared = np.zeros((100, 17, 2))
    np.savez(tmp_path / "a.npz", a=np.array({"one": shared, "other": shared}, dtype=object))
    found = npz.load(str(tmp_path / "a.npz"))["a"]
    assert found["one"] is found["other"]


def test_only_the_keys_asked_for_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.zeros(2), b=np.array(Payload(tmp_path / "ran"), dtype=object))
    assert list(npz.load(str(tmp_path / "a.npz"), ["a"])) == ["a"]


def test_a_missing_key_is_named_with_what_is_there(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", positions_3d=np.zeros(2))
    with pytest.raises(InputError, match=r"a\.npz: no array 'positions_2d'; the file holds positions_3d"):
        npz.load(str(tmp_path / "a.npz"), ["positions_2d"])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_payload_is_named_and_does_not_run(tmp_path: Path, protocol: int) -> None:
    objects = np.array({"S1": {"Walking": [Payload(tmp_path / "ran")]}}, dtype=object)
    path = npz_of(tmp_path / "a.npz", pickle.dumps(objects, protocol))
    with pytest.raises(InputError, match=r"a\.npz: member 'a': holds the global (posix|nt)\.mkdir"):
        npz.load(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("os", "system"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "frombuffer"),
        ("numpy", "ndarray.tofile"),
    ],
)
def test_any_other_global_is_refused(tmp_path: Path, module: str, name: str) -> None:
    pickled = f"c{module}\n{name}\n(S'x'\ntR.".encode()
    with pytest.raises(InputError, match="holds "):
        npz.load(npz_of(tmp_path / "a.npz", pickled))


def refused_pickles() -> dict[str, bytes]:
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    dtype = b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR"
    return {
        "object pointers from raw bytes": array + b"(I1\n(I1\nt" + dtype
        + b"(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nS'AAAAAAAA'\ntb.",
        "an array larger than its data": array + b"(I1\n(I999999999999\ntcnumpy\ndtype\n(S'f8'\ntRI00\nS''\ntb.",
        "a negative shape": array + b"(I1\n(I-1\nI-8\ntcnumpy\ndtype\n(S'f8'\ntRI00\nS'AAAAAAAA'\ntb.",
        "a huge element": b"cnumpy\ndtype\n(S'V99999999999'\ntR.",
        "a structured type": b"cnumpy\ndtype\n(S'V8'\nI0\nI1\ntR(I3\nS'|'\nN(S'x'\nt}I8\nI1\nI16\ntb.",
        "a persistent id": b"Pos.system\n.",
        "an instance": b"(S'x'\nios\nsystem\n.",
        "state set on a function": b"cnumpy\ndtype\n}S'x'\nI1\nsb.",
        "a list that holds itself": b"]\x94h\x00a.",
        "no end": b"]",
        "an empty stack": b"R.",
        "a memo never set": b"h\x07.",
        "nothing": b"",
    }  # fmt: skip


@pytest.mark.parametrize("name", refused_pickles())
def test_an_unsound_pickle_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"a\.npz: member 'a'"):
        npz.load(npz_of(tmp_path / "a.npz", refused_pickles()[name]))


def test_a_memo_index_of_billions_takes_no_memory(tmp_path: Path) -> None:
    pickled = b"]r" + struct.pack("<I", 2**32 - 1) + b"."
    with pytest.raises(InputError, match="expected an object array"):
        npz.load(npz_of(tmp_path / "a.npz", pickled))


def test_lists_shared_to_exponential_size_are_built_once_each(tmp_path: Path) -> None:
    nested: list = []
    for _ in range(40):
        nested = [nested, nested]
    np.savez(tmp_path / "a.npz", a=np.array({"x": nested}, dtype=object))
    found = npz.load(str(tmp_path / "a.npz"))["a"]["x"]
    assert found[0] is found[1]


def test_a_name_that_would_move_the_cursor_is_shown_escaped(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the global o\\ns\.\\x1b\[2J;"):
        npz.load(npz_of(tmp_path / "a.npz", b"\x80\x04\x8c\x03o\ns\x8c\x04\x1b[2J\x93."))


def test_containers_nested_thousands_deep_are_refused(tmp_path: Path) -> None:
    pickled = b"]" * 5000 + b"a" * 4999 + b"."
    with pytest.raises(InputError, match="nested more than"):
        npz.load(npz_of(tmp_path / "a.npz", pickled))


@pytest.mark.slow
def test_a_pickle_bomb_of_500_mb_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    """Half a billion empty lists and dicts, 35 GB as objects, packed into a few MB at a ratio that data may have."""
    rng = np.random.default_rng(0)
    blocks = [rng.choice(np.frombuffer(b"]})N", np.uint8), 20).tobytes() + b"]" * 980 for _ in range(1000)]
    path, member = tmp_path / "a.npz", io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": "|O", "fortran_order": False, "shape": ()})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, archive.open("a.npy", "w") as stream:
        stream.write(member.getvalue())
        for _ in range(500):
            stream.write(b"".join(blocks))
    code = "import sys; from pose_diffusion.data.untrusted import npz; npz.load(sys.argv[1])"
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)); {code}"
    run = subprocess.run([sys.executable, "-c", limited, str(path)], capture_output=True, text=True, check=False)
    assert "InputError" in run.stderr and "a pickle bomb" in run.stderr.splitlines()[-1]


def test_a_pickle_of_too_many_operations_is_refused() -> None:
    with pytest.raises(untrusted.Refused, match=r"more than 1,000 operations \(a pickle bomb\)"):
        untrusted.load(io.BytesIO(b"]" * 1001 + b"."), most_operations=1000)
    assert untrusted.load(io.BytesIO(b"]."), most_operations=1000) == []


def test_objects_inside_a_structured_array_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.zeros(1, [("x", object)]))
    with pytest.raises(InputError, match="structured array"):
        npz.load(str(tmp_path / "a.npz"))


@pytest.mark.parametrize("name", ["../a.npy", "/a.npy", "x/../../a.npy", "..\\a.npy", "C:a.npy"])
def test_a_member_that_points_outside_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="points outside the archive"):
        npz.load(zip_of(tmp_path / "a.npz", {name: npy_bytes(np.zeros(1))}))


def test_a_member_that_is_no_array_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"member 'run\.py' is not an \.npy array"):
        npz.load(zip_of(tmp_path / "a.npz", {"run.py": b"print()"}))


def test_a_file_that_unpacks_to_more_than_allowed_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.zeros(1000))
    with pytest.raises(InputError, match=r"unpacks to 8,\d+ bytes, more than the 8,000 allowed"):
        npz.load(str(tmp_path / "a.npz"), max_bytes=8000)


def test_a_zip_bomb_is_refused_by_its_ratio(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.npz", {"a.npy": npy_bytes(np.zeros(100 << 20, np.uint8))})
    with pytest.raises(InputError, match="a zip bomb"):
        npz.load(path)


def test_a_header_that_claims_more_than_the_member_holds_is_refused(tmp_path: Path) -> None:
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    with pytest.raises(InputError, match=r"member 'a': 0 bytes of data, but its header says \(1000000000000,\)"):
        npz.load(zip_of(tmp_path / "a.npz", {"a.npy": member.getvalue()}))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, a=np.arange(1000.0), b=np.array(NESTED, dtype=object))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=r"a\.npz: truncated or not an \.npz file"):
        npz.load(str(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.npz: no such file"):
        npz.load(str(tmp_path / "none.npz"))


def test_an_npy_file_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(npz.load_npy(str(tmp_path / "a.npy")), [[0, 1, 2], [3, 4, 5]])


def test_a_truncated_npy_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(npy_bytes(np.arange(6))[:-5])
    with pytest.raises(InputError, match=r"a\.npy: 43 bytes of data, but its header says \(6,\)"):
        npz.load_npy(str(tmp_path / "a.npy"))


def sound_npz() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, a=np.arange(5.0), b=np.array(NESTED, dtype=object))
    return stream.getvalue()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8), cut=st.integers(0, 40))
def test_a_mutated_file_gives_data_or_a_clean_error(tmp_path: Path, changes: list[tuple[int, int]], cut: int) -> None:
    content = bytearray(sound_npz())
    for place, value in changes:
        content[place % len(content)] = value
    (tmp_path / "a.npz").write_bytes(content[: len(content) - cut])
    try:
        npz.load(str(tmp_path / "a.npz"), max_bytes=1 << 24)
    except InputError as error:
        assert "a.npz" in str(error) and "\n" not in str(error)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8), protocol=st.integers(0, 5)
)
def test_a_mutated_pickle_gives_data_or_a_clean_error(tmp_path: Path, changes: list[tuple[int, int]], protocol: int) -> None:
    content = bytearray(pickletools.optimize(pickle.dumps(np.array(NESTED, dtype=object), protocol)))
    for place, value in changes:
        content[place % len(content)] = value
    try:
        npz.load(npz_of(tmp_path / "a.npz", bytes(content)))
    except InputError as error:
        assert "a.npz" in str(error) and "\n" not in str(error)
