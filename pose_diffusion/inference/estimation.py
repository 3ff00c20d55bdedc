"""What is published of poses: each method's pose, their spread, and where they stand in the camera.

Methods, in order: lifter, diffusion (both from `pose_2d`), and with several hypotheses mean and, where cameras are
known, weighted and jointwise (see `aggregation`). The one to be pose_3d comes last; its root is fitted (see `reprojection`).
Of the video family the one method is 'video'.
Where neighbouring frames may help, one more: that one smoothed over them (see `smoothing`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pose_diffusion.data.mixture import single
from pose_diffusion.geometry.reprojection import fit_root, joint_log_likelihood
from pose_diffusion.geometry.smoothing import smooth
from pose_diffusion.inference import aggregation
from pose_diffusion.inference.clip_lifting import lift_clips
from pose_diffusion.inference.lifting import lift
from pose_diffusion.inference.options import SamplingOptions
from pose_diffusion.models.published.networks import Networks
from pose_diffusion.models.video.network import VideoNetwork

_MM = 1000.0


@dataclass(frozen=True)
class Estimate:
    """poses: method -> (N, 17, 3) metres, pose_3d's last. spread_mm: (N, 17). hypotheses: (N, H, 17, 3) or None.

    pose_2d: (N, 17, 2), what the first two methods lifted, normalised screen.
    root_3d: (N, 3) metres, NaN where the camera is unknown; None where no camera is known.
    """

    poses: dict[str, Tensor]
    spread_mm: Tensor
    hypotheses: Tensor | None
    root_3d: Tensor | None
    pose_2d: Tensor

    def on_cpu(self) -> Estimate:
        """The same in the CPU's memory. A GPU is not waited for: its copies are queued, and there once they are done."""
        return Estimate(
            poses={method: _on_cpu(pose) for method, pose in self.poses.items()},
            spread_mm=_on_cpu(self.spread_mm),
            hypotheses=None if self.hypotheses is None else _on_cpu(self.hypotheses),
            root_3d=None if self.root_3d is None else _on_cpu(self.root_3d),
            pose_2d=_on_cpu(self.pose_2d),
        )

    def smoothed(self, frame: Tensor, sequence: Tensor, width: float) -> Estimate:
        """With pose_3d and its root averaged over near frames of its sequence, both (N,) integers; width in frames."""
        final = list(self.poses.values())[-1]
        poses = self.poses | {"smoothed": smooth(final, frame, sequence, width)}
        root = None if self.root_3d is None else smooth(self.root_3d, frame, sequence, width)
        return replace(self, poses=poses, root_3d=root)

    def part(self, rows: slice) -> Estimate:
        """The estimate of some of the rows."""
        return Estimate(
            poses={method: pose[rows] for method, pose in self.poses.items()},
            spread_mm=self.spread_mm[rows],
            hypotheses=None if self.hypotheses is None else self.hypotheses[rows],
            root_3d=None if self.root_3d is None else self.root_3d[rows],
            pose_2d=self.pose_2d[rows],
        )

    @staticmethod
    def joined(parts: Sequence[Estimate]) -> Estimate:
        """Consecutive estimates as one."""
        hypotheses = [part.hypotheses for part in parts if part.hypotheses is not None]
        roots = [part.root_3d for part in parts if part.root_3d is not None]
        return Estimate(
            poses={method: torch.cat([part.poses[method] for part in parts]) for method in parts[0].poses},
            spread_mm=torch.cat([part.spread_mm for part in parts]),
            hypotheses=torch.cat(hypotheses) if hypotheses else None,
            root_3d=torch.cat(roots) if roots else None,
            pose_2d=torch.cat([part.pose_2d for part in parts]),
        )


def _on_cpu(tensor: Tensor) -> Tensor:
    return tensor.to("cpu", non_blocking=True)


@torch.no_grad()
def estimate(
    networks: Networks, mixture: Tensor, options: SamplingOptions, keys: Tensor, intrinsic: Tensor | None = None
) -> Estimate:
    """mixture (N, 17, K, 5), keys (N,) of the draws, intrinsic (N, 9), NaN where unknown, None where no camera is known."""
    lifted = lift(networks, mixture, options, keys=keys)
    mixture = mixture.to(lifted.pose_3d.device)
    intrinsic = None if intrinsic is None else intrinsic.to(mixture.device)
    uv, sigma = single(mixture, options.pose_2d).split(2, -1)  # each (N, 17, 2)
    hypotheses = lifted.hypotheses
    poses = {"lifter": lifted.lifter_pose}
    if networks.denoiser is not None:
        poses["diffusion"] = lifted.pose_3d if hypotheses is None else hypotheses[:, 0]
    if hypotheses is not None:
        poses["mean"] = aggregation.mean(hypotheses)
        if options.reproject and intrinsic is not None:
            likelihood = _likelihood(hypotheses, uv, sigma, mixture, intrinsic)
            poses["weighted"] = aggregation.weighted(hypotheses, likelihood)
            poses["jointwise"] = aggregation.jointwise(hypotheses, likelihood)
        poses[options.aggregate] = poses.pop(options.aggregate)  # to the end
    root = None
    if intrinsic is not None:
        root = fit_root(list(poses.values())[-1], uv, intrinsic, sigma)
    return Estimate(poses, lifted.spread * _MM, hypotheses, root, uv)


@torch.no_grad()
def estimate_clips(
    network: VideoNetwork,
    mixture: Tensor,
    intrinsic: Tensor | None,
    assumed: Tensor,
    sequence: Tensor,
    frame: Tensor,
    rate: float,
    frames: int,
    options: SamplingOptions,
    *,
    place: Tensor | None = None,
    wanted: slice = slice(None),
    reached: Callable[[float], None] | None = None,
) -> Estimate:
    """Of sequences by the video family, whose one method is 'video'. See `clip_lifting.lift_clips`.

    intrinsic: (N, 9), NaN where unknown, None where no camera is known. assumed: (N, 9), where it is not. The root is fitted
    where the camera is known, to the poses that `options.pose_2d` chooses.
    """
    device = network.out.bias.device
    mixture, assumed = mixture.to(device), assumed.to(device)
    intrinsic = None if intrinsic is None else intrinsic.to(device)
    lens = assumed if intrinsic is None else torch.where(intrinsic.isnan(), assumed, intrinsic)
    pose = lift_clips(
        network, mixture, lens, sequence, frame, rate, frames, options.flips, options.batch,
        place=place, wanted=wanted, reached=reached,
    )  # fmt: skip
    uv, sigma = single(mixture[wanted], options.pose_2d).split(2, -1)  # each (N, 17, 2)
    root = None if intrinsic is None else fit_root(pose, uv, intrinsic[wanted], sigma)
    return Estimate({"video": pose}, pose.new_zeros(pose.shape[:2]), None, root, uv)


def _likelihood(hypotheses: Tensor, uv: Tensor, sigma: Tensor, mixture: Tensor, intrinsic: Tensor) -> Tensor:
    """(N, H, 17): of each hypothesis, standing where it fits the image best."""
    root = fit_root(hypotheses, uv[:, None], intrinsic[:, None], sigma[:, None])
    return joint_log_likelihood(hypotheses, root, mixture[:, None], intrinsic[:, None])
