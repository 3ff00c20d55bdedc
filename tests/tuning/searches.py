"""Plausible tables of trials."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

SPACE = {
    "diffusion.beta_end": {"loguniform": [1e-4, 1e-2]},
    "diffusion.schedule": {"choice": ["linear", "cosine", "sigmoid"]},
    "diffusion.steps": {"randint": [20, 200]},
    "diffusion.eta": {"uniform": [0.0, 1.0]},
    "model.width": {"grid": [32, 64, 96]},
    "lift.flips": {"choice": [True, False]},
}
CURVE = pa.list_(pa.struct({"epoch": pa.int32(), "mpjpe": pa.float64(), "loss": pa.float64(), "seconds": pa.float64()}))
FIXED = {
    **{"trial": pa.string(), "status": pa.string(), "reason": pa.string(), "epochs": pa.int32()},
    **{"mpjpe": pa.float64(), "seconds": pa.float64(), "device": pa.string()},
}


def info(mode: str = "training", best: str = "", space: dict[str, dict] = SPACE) -> dict[str, Any]:
    return {"space": space, "keys": list(space), "metric": "held-out MPJPE, mm", "best": best, "mode": mode}


def table(rows: list[dict[str, Any]], space: dict[str, dict] = SPACE) -> pa.Table:
    """Rows of a search as its engine writes them; a key's type is that of its values."""
    kinds = {key: pa.array([row[key] for row in rows]).type if rows else pa.string() for key in space}
    fields = [*FIXED.items(), *kinds.items(), ("curve", CURVE)]
    return pa.Table.from_pylist(rows, pa.schema(fields))


def trial(name: str, **changes: Any) -> dict[str, Any]:
    """One finished trial, but for the changes (a key's dots are written as underscores twice)."""
    curve = [{"epoch": e, "mpjpe": 60.0 + 20 / e, "loss": 12.0 / e, "seconds": 9.0 * e} for e in range(1, 4)]
    settings = {
        **{"diffusion.beta_end": 1e-3, "diffusion.schedule": "linear", "diffusion.steps": 51, "diffusion.eta": 0.0},
        **{"model.width": 32, "lift.flips": True},
    }
    row = {"trial": name, "status": "finished", "reason": "", "epochs": 3, "mpjpe": curve[-1]["mpjpe"], "seconds": 27.0}
    return row | {"device": "cpu", "curve": curve} | settings | changes


def search(count: int = 24, mode: str = "training", seed: int = 0) -> list[dict[str, Any]]:
    """A search with halving: beta_end moves the error most, the schedule a little, the rest not at all. Trials 3 and 7 fail."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        beta, schedule = 10 ** random.uniform(-4, -2), str(random.choice(SPACE["diffusion.schedule"]["choice"]))
        floor = 58 + 9 * abs(np.log10(beta) + 2.6) + 2 * (schedule == "sigmoid")
        width = int(random.choice([32, 64, 96]))
        curve = [
            {
                "epoch": epoch,
                "mpjpe": float(floor + 40 * np.exp(-epoch / 3) + random.normal(0, 0.5)),
                "loss": float(14 / epoch),
                "seconds": width / 8 * epoch,
            }
            for epoch in range(1, 16 if mode == "training" else 2)
        ]
        rows.append(
            trial(
                f"t{number:03}",
                curve=curve,
                **{
                    **{"diffusion.beta_end": float(beta), "diffusion.schedule": schedule, "model.width": width},
                    **{"diffusion.steps": int(random.integers(20, 200)), "diffusion.eta": float(random.uniform())},
                    **{"lift.flips": bool(random.integers(2))},
                },
            )
        )
    if mode == "training":
        _halve(rows)
    for row in rows:
        row |= {"epochs": len(row["curve"]), "mpjpe": row["curve"][-1]["mpjpe"], "seconds": row["curve"][-1]["seconds"]}
    for number in (3, 7):
        if number < count:
            rows[number] |= {"status": "failed", "reason": f"epoch {number}: the loss is not finite", "mpjpe": None}
    return rows


def _halve(rows: list[dict[str, Any]]) -> None:
    """Half of the trials stop at epoch 4, half of the rest at epoch 8."""
    alive = rows
    for epoch in (4, 8):
        alive = sorted(alive, key=lambda row: row["curve"][epoch - 1]["mpjpe"])
        for row in alive[(len(alive) + 1) // 2 :]:
            row |= {"status": "pruned", "curve": row["curve"][:epoch]}
        alive = alive[: (len(alive) + 1) // 2]


def best_of(rows: list[dict[str, Any]]) -> str:
    done = [row for row in rows if row["status"] == "finished" and row["mpjpe"] is not None]
    return min(done, key=lambda row: row["mpjpe"])["trial"] if done else ""
