"""What Prometheus sees of a run while it is under way, beside Ray's own metrics of the cluster.

Every node serves its workers' metrics at its metrics port; Ray puts `ray_` before each name and Prometheus counters end in
`_total`. All carry the label `run`, the output folder. Rates and shares are the reader's to form: poses a second are
rate(ray_pose_diffusion_trained_poses_total[1m]), summed over the workers, and the share of time spent waiting for data is the
same rate of the seconds waited, averaged. cluster/grafana.json shows them.
"""

from __future__ import annotations

from typing import Any

from ray.util.metrics import Counter, Gauge

TRAINED = "pose_diffusion_trained_poses_total"
WAITED = "pose_diffusion_data_wait_seconds_total"
LIFTED = "pose_diffusion_lifted_poses_total"
# A gauge for each measurement of an epoch: the history's name, the metric's, what it is.
_EPOCH = [
    ("epoch", "pose_diffusion_epoch", "The last finished epoch of the stage, from 0"),
    ("loss", "pose_diffusion_loss", "Mean loss of the last epoch"),
    ("lifter_mpjpe", "pose_diffusion_lifter_mpjpe_mm", "MPJPE of the lifter on held-out poses, mm"),
    ("diffusion_mpjpe", "pose_diffusion_diffusion_mpjpe_mm", "MPJPE after diffusion on held-out poses, mm"),
]
EXPORTED = [f"ray_{name}" for name in (TRAINED, WAITED, LIFTED, *(name for _, name, _ in _EPOCH))]


class TrainingMetrics:
    """A training worker's end. Every worker counts its own steps; one of them tells of the epochs."""

    def __init__(self, run: str):
        tags = ("run", "stage")
        self.run = run
        self.trained = Counter(TRAINED, "Poses that the workers have trained on", tags)
        self.waited = Counter(WAITED, "Seconds that the workers waited for data", tags)
        self.gauges = {key: Gauge(name, sentence, tags) for key, name, sentence in _EPOCH}

    def step(self, stage: str, poses: int, waited: float) -> None:
        tags = {"run": self.run, "stage": stage}
        self.trained.inc(poses, tags)
        if waited > 0:
            self.waited.inc(waited, tags)

    def epoch(self, entry: dict[str, Any]) -> None:
        """Tells of an epoch as the history has it."""
        for key, gauge in self.gauges.items():
            gauge.set(entry.get(key), {"run": self.run, "stage": entry["stage"]})


def lifted_poses() -> Counter:
    """Poses that the actors have lifted; those of a shard that is lifted again count again."""
    return Counter(LIFTED, "Poses that the actors have lifted", ("run",))
