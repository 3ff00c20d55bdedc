"""The run's measurements, an entry an epoch: as one console line, as metrics.jsonl and as TensorBoard events.

All three are written from the history in the checkpoint, so a resumed run has neither gaps nor doubles.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from pose_diffusion import storage

JSON_LINES = "metrics.jsonl"


def line(entry: dict[str, Any]) -> str:
    """An epoch as one line for people."""
    parts = [
        f"{entry['stage']:<8} epoch {entry['epoch'] + 1:>3}/{entry['epochs']}",
        f"loss {entry['loss']:.5g}",
    ]
    if "lifter_mpjpe" in entry:
        parts.append(f"held-out lifter {entry['lifter_mpjpe']:.2f} / {entry['lifter_p_mpjpe']:.2f} mm")
        if entry["stage"] == "denoiser":
            parts.append(f"diffusion {entry['diffusion_mpjpe']:.2f} / {entry['diffusion_p_mpjpe']:.2f} mm")
    if "mpjpe" in entry:
        parts.append(f"held-out {entry['mpjpe']:.2f} / {entry['p_mpjpe']:.2f} mm")
    parts.append(f"{entry['samples_per_second']:,.0f} samples/s")
    parts.append(f"data wait {100 * entry['data_wait']:.0f}%")
    if entry.get("dropped"):
        parts.append(f"{entry['dropped']} rows dropped by the equal split")
    return ", ".join(parts)


def advice(history: list[dict[str, Any]]) -> str:
    """What the held-out poses say of a finished denoiser that makes them worse; empty where it does not, or none are."""
    judged = [entry for entry in history if entry["stage"] == "denoiser" and "diffusion_mpjpe" in entry]
    if not judged:
        return ""
    best = min(judged, key=lambda entry: entry["diffusion_mpjpe"])
    lifter, diffusion = best["lifter_mpjpe"], best["diffusion_mpjpe"]
    if diffusion <= lifter:
        return ""
    return (
        f"on the held-out poses the lifter alone is better than with diffusion, {lifter:.2f} against {diffusion:.2f} mm: "
        "infer.diffusion=false lifts without it"
    )


def publish(folder: str, history: list[dict[str, Any]]) -> None:
    """Writes metrics.jsonl and tensorboard/ anew, each file atomically; both are small whatever the run."""
    lines = "".join(json.dumps(entry) + "\n" for entry in history)
    storage.publish_bytes(storage.join(folder, JSON_LINES), lines.encode())
    from torch.utils.tensorboard import SummaryWriter

    with tempfile.TemporaryDirectory() as temporary:
        with SummaryWriter(temporary) as writer:
            for number, entry in enumerate(history):
                for name, value in entry.items():
                    if isinstance(value, int | float) and name not in ("epoch", "epochs", "steps_done", "time"):
                        writer.add_scalar(f"{entry['stage']}/{name}", value, entry["epoch"], walltime=entry.get("time", number))
        (events,) = Path(temporary).glob("events.*")
        # One name for ever: a new one each epoch would leave TensorBoard with a pile of overlapping curves.
        storage.publish_bytes(storage.join(folder, "tensorboard", "events.out.tfevents.0.train"), events.read_bytes())
