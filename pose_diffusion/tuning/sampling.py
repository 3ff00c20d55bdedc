"""Trying ways of sampling on a trained bundle: seconds a trial, as nothing is trained."""

from __future__ import annotations

import dataclasses
import time

import torch
from torch import Tensor

from pose_diffusion.config import Config
from pose_diffusion.geometry import metrics
from pose_diffusion.inference.bundle import Bundle
from pose_diffusion.inference.options import SamplingOptions


def error(bundle: Bundle, config: Config, mixture: Tensor, truth: Tensor) -> tuple[float, float]:
    """MPJPE in mm of poses lifted as diffusion.* and infer's flips, hypotheses and pose_2d say, and the seconds it took."""
    infer, start = config.infer, time.monotonic()
    changed = dataclasses.replace(bundle, diffusion=config.diffusion)
    generator = torch.Generator(bundle.device).manual_seed(infer.seed)
    options = SamplingOptions(flips=infer.flips, hypotheses=infer.hypotheses, pose_2d=infer.pose_2d)
    lifted = changed.lift(mixture, options, generator)
    mpjpe = metrics.mpjpe(lifted.pose_3d, truth.to(bundle.device)).double().mean()
    return float(mpjpe), time.monotonic() - start
