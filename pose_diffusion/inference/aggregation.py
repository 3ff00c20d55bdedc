"""One pose from several hypotheses p_h of it.

    mean       1/H sum_h p_h
    weighted   joint j: sum_h w_hj p_hj,  w_hj proportional to exp(l_hj)
    jointwise  joint j: that of the hypothesis with the largest l_hj

l_hj is the log-likelihood of joint j's reprojection under the mixture of its 2D detections. The joint-wise choice follows
D3DP (arXiv 2303.11579), which chooses by the distance to the 2D keypoint. Of weights for whole hypotheses, by the sum or the
mean of l_hj over joints, neither was as good as weights for each joint.
"""

from __future__ import annotations

from torch import Tensor


def mean(hypotheses: Tensor) -> Tensor:
    """(N, H, 17, 3) -> (N, 17, 3)."""
    return hypotheses.mean(1)


def weighted(hypotheses: Tensor, likelihood: Tensor) -> Tensor:
    """hypotheses (N, H, 17, 3) and their joints' log-likelihoods (N, H, 17) -> (N, 17, 3)."""
    return (likelihood.softmax(1).unsqueeze(-1) * hypotheses).sum(1)


def jointwise(hypotheses: Tensor, likelihood: Tensor) -> Tensor:
    """hypotheses (N, H, 17, 3) and their joints' log-likelihoods (N, H, 17) -> (N, 17, 3)."""
    best = likelihood.argmax(1)  # (N, 17)
    return hypotheses.gather(1, best[:, None, :, None].expand(-1, 1, -1, 3)).squeeze(1)
