"""The video family's network: a clip in the person-centred view to 3D poses in that view.

Tokens are the joints of each frame. A joint's kernels are embedded and summed by their weights, so their number and order do
not matter. Layers alternate attention over joints and attention over time. Joints know each other by an embedding and a bias
for each pair, frames by their distance in seconds. So one set of weights takes any number of frames at any rate.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pose_diffusion.config import ModelConfig
from pose_diffusion.geometry.person_view import CONTEXT
from pose_diffusion.geometry.skeleton import N_JOINTS, ROOT
from pose_diffusion.models.video.attention import JointAttention, Mlp, TimeAttention, rotations

_MLP = 2  # channels inside an MLP beside those of a token
_KERNEL = 4  # mean and log sigma of a kernel, in the view
_SCALE = 3.0  # metres at the view's scale become numbers of about 1
_JOINT = 0.5  # deviation of joints' embeddings at the start: as large as kernels'. With 0.02, 250 steps learned no depth.
_SIGMA_RANGE = (1e-3, 10.0)  # in the view, where a standing person is about 1.7 tall


class VideoNetwork(nn.Module):
    """One set of weights for clips of any length and rate."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        width = model.width
        self.head_size = width // model.heads
        self.kernel = nn.Sequential(nn.Linear(_KERNEL, width), nn.GELU(), nn.Linear(width, width))
        self.context = nn.Linear(CONTEXT, width)
        self.joint = nn.Parameter(_JOINT * torch.randn(N_JOINTS, width))
        self.layers = nn.ModuleList(Layer(model) for _ in range(model.layers))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, 3)

    def forward(self, kernels: Tensor, context: Tensor, time: Tensor, valid: Tensor | None = None) -> Tensor:
        """Poses (B, T, 17, 3) in the view's frame, metres, the pelvis exactly at 0.

        kernels: (B, T, 17, K, 5), weight, mean x, y, sigma x, y in the view. context: (B, T, C). time: (B, T) seconds from
        any moment. valid: (B, T) bool, the frames that exist; None where all do. Other frames' poses mean nothing.
        """
        x = self.features(kernels, context, time, valid)
        pose = self.out(self.norm(x)).float()
        return pose - pose[..., ROOT : ROOT + 1, :]

    def features(self, kernels: Tensor, context: Tensor, time: Tensor, valid: Tensor | None = None) -> Tensor:
        """Tokens (B, T, 17, width) after the last layer, before its norm."""
        weight, mean, sigma = kernels.split((1, 2, 2), -1)
        described = torch.cat([mean * _SCALE, sigma.clamp(*_SIGMA_RANGE).log()], -1)
        x = (weight * self.kernel(described)).sum(-2) + self.joint + self.context(context)[:, :, None]
        time = time - time[:, :1]  # small numbers, whose differences are exact enough in float32
        turn = rotations(time, self.head_size)
        mask = None
        if valid is not None:  # a clip without any frame attends to its padding: a softmax over nothing is not a number
            mask = (valid | ~valid.any(1, keepdim=True))[:, None, None, :]
        for layer in self.layers:
            x = layer(x, turn, mask)
        return x


class Layer(nn.Module):
    """Attention over joints, then over time, each with its MLP."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        width = model.width
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))
        self.joints = JointAttention(width, model.heads, N_JOINTS)
        self.time = TimeAttention(width, model.heads)
        self.mlps = nn.ModuleList(Mlp(width, _MLP) for _ in range(2))
        self.dropout = nn.Dropout(model.dropout)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        x = x + self.dropout(self.joints(self.norms[0](x)))
        x = x + self.dropout(self.mlps[0](self.norms[1](x)))
        x = x + self.dropout(self.time(self.norms[2](x), turn, mask))
        return x + self.dropout(self.mlps[1](self.norms[3](x)))
