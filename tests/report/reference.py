"""The report's figures computed slowly and plainly, one pose after the other."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pyarrow as pa
import torch

from pose_diffusion.data.schema import tensor_values
from pose_diffusion.geometry import metrics

METHODS = ("lifter", "diffusion")
POSES = {"lifter": "lifter_3d", "diffusion": "pose_3d"}


def figures(rows: pa.Table, method: str, action: str | None = None, **keys: str) -> dict[str, float]:
    """All FIGURES of report.json over the poses of an action (by its whole name), subject or camera."""
    found = defaultdict(list)
    before: dict | None = None
    earlier: dict | None = None  # the one before that, where it is a stride away from it
    poses = torch.from_numpy(tensor_values(rows[POSES[method]]).copy()).double()
    truths = torch.from_numpy(tensor_values(rows["truth_3d"]).copy()).double()
    for i, row in enumerate(rows.select(["subject", "action", "camera", "frame"]).to_pylist()):
        stride = 4 if row["action"] == "Sitting" else 1
        pose, truth = poses[i : i + 1], truths[i : i + 1] - truths[i : i + 1, :1]
        here = {**row, "pose": pose, "truth": truth}
        name, _, number = row["action"].rpartition(" ")
        whole = name if name and number.isdigit() else row["action"]
        if (action is None or whole == action) and all(row[key] == value for key, value in keys.items()):
            found["mpjpe_mm"].append(metrics.mpjpe(pose, truth))
            found["p_mpjpe_mm"].append(metrics.p_mpjpe(pose, truth))
            found["n_mpjpe_mm"].append(metrics.n_mpjpe(pose, truth))
            found["pck_percent"].append(100 * metrics.pck(pose, truth))
            found["auc_percent"].append(100 * metrics.auc(pose, truth))
            same = before is not None and all(before[k] == row[k] for k in ("subject", "action", "camera"))
            if same and row["frame"] - before["frame"] == stride:
                velocity = metrics.mpjve(torch.cat([before["pose"], pose]), torch.cat([before["truth"], truth]))
                found["mpjve_mm"].append(velocity)
                if earlier is not None and earlier["frame"] == before["frame"] - stride:
                    bends = [earlier[k] - 2 * before[k] + now for k, now in (("pose", pose), ("truth", truth))]
                    found["acceleration_mm"].append(1000 * (bends[0] - bends[1]).norm(dim=-1).mean())
        new = before is None or any(before[k] != row[k] for k in ("subject", "action", "camera"))
        before, earlier = here, None if new else before
    return {name: float(np.mean([float(v) for v in values])) for name, values in found.items()}
