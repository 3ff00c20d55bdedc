"""Writes MPI-INF-3DHP's files: P-STMO's .npz and the original .mat ones."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import scipy.io

TESTS = [f"TS{n}" for n in range(1, 7)]
# Where each of our 17 stands among the data set's 17, written out by hand from its documentation.
OURS = [14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4]
# Where the data set's 17 stand among its 28: head top, neck, arms, legs, pelvis, spine, head.
AMONG_28 = [7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6]


def joints(seed: int, frames: int = 4, count: int = 17) -> dict[str, np.ndarray]:
    """Pixels and millimetres in the camera frame."""
    rng = np.random.default_rng(seed)
    return {
        "data_2d": rng.uniform(200, 900, (frames, count, 2)).astype(np.float32),
        "data_3d": (rng.normal(0, 300, (frames, count, 3)) + [0, 0, 3500]).astype(np.float32),
    }


def write_npz(folder: Path, train: dict | None = None, test: dict | None = None) -> None:
    train = train or {"S1 Seq1": [{"0": joints(1), "3": joints(2), "8": joints(3)}], "S10 Seq2": [{"0": joints(4)}]}
    valid = np.array([1, 0, 1, 1])
    test = test or {name: joints(10 + index) | {"valid": valid} for index, name in enumerate(TESTS)}
    np.savez(folder / "data_train_3dhp.npz", data=np.array(train, dtype=object))
    np.savez(folder / "data_test_3dhp.npz", data=np.array(test, dtype=object))


def write_original(folder: Path) -> dict[str, np.ndarray]:
    """One training and one test sequence; returns the training one's camera 5."""
    (folder / "S2" / "Seq1").mkdir(parents=True)
    (folder / "TS5").mkdir()
    values = [joints(camera, count=28) for camera in range(14)]
    cells = {}
    for name, key in (("annot2", "data_2d"), ("annot3", "data_3d"), ("univ_annot3", "data_3d")):
        cells[name] = np.empty((14, 1), object)
        for camera, value in enumerate(values):
            scale = 0.9 if name == "univ_annot3" else 1
            cells[name][camera, 0] = (value[key] * scale).reshape(4, -1).astype(np.float64)
    scipy.io.savemat(folder / "S2" / "Seq1" / "annot.mat", cells)
    with h5py.File(folder / "TS5" / "annot_data.mat", "w") as file:
        sequence = joints(50)
        file["annot2"] = sequence["data_2d"][:, None]
        file["annot3"] = sequence["data_3d"][:, None]
        file["univ_annot3"] = sequence["data_3d"][:, None] * 0.9
        file["valid_frame"] = np.array([[0], [1], [1], [0]], np.float64)
    return values[5]
