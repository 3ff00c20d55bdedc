"""A detector's heatmaps, (frames, J, H, W) in an .npy file, or in an .npz as 'heatmaps', with a mixture fitted to each.

Heatmaps show the whole image, or the box of it that 'boxes' in the .npz gives for each frame: (frames, 4), left, top, width
and height in image pixels. 'frame' in the .npz, (frames,), are frame numbers; else frames count from 0. The joint order is
stated in the config, as it is in no file. A joint that is a mean of the layout's joints gets the mixture of that mean.
"""

from __future__ import annotations

import numpy as np

from pose_diffusion.config import HeatmapsConfig
from pose_diffusion.data import heatmaps
from pose_diffusion.data import mixture as gmm
from pose_diffusion.data.missing_joints import fill
from pose_diffusion.data.sequence import LazySequence, PoseSequence, Source
from pose_diffusion.data.sources.file_format import FileFormat
from pose_diffusion.data.sources.inputs import Inputs, map_inputs
from pose_diffusion.data.sources.sample import Sample, Seen
from pose_diffusion.data.untrusted import npz
from pose_diffusion.errors import ImageSizeUnknown, InputError
from pose_diffusion.geometry.layouts import LAYOUTS, Layout
from pose_diffusion.runtime.executor import Executor, LocalExecutor

_KEY = "heatmaps"
_BLOCK_BYTES = 256 << 20
_UNKNOWN = (heatmaps.EMPTY, heatmaps.FLAT)

FORMATS = (
    FileFormat(
        "heatmaps of any detector", ".npy (T, J, H, W), or .npz with `heatmaps` and maybe `boxes` and `frame`",
        "`image_size` or `stride`", "one person a file", ("heatmaps.layout must be set",),
    ),
)  # fmt: skip
_LEAST_SIDE = 8  # pixels


def open_source(inputs: Inputs, settings: HeatmapsConfig, executor: Executor) -> Source:
    """A sequence a file, of which the header is read here, and the rest block by block where the sequence is loaded.

    Raises InputError for bad files, for an unknown layout and for an image size that nothing tells.
    """
    if settings.layout not in LAYOUTS:
        raise InputError(f"key 'heatmaps.layout': expected the joint order, one of {', '.join(LAYOUTS)}")
    layout = LAYOUTS[settings.layout]
    paths, skipped = inputs.files(".npy", ".npz"), list[str]()
    reading = map_inputs(inputs, lambda path: _sequence(inputs, settings, path, layout), paths, LocalExecutor(), skipped)
    found = [sequence for _, sequence in reading]
    description = {"converter": "heatmaps", "layouts": [layout.name], "settings": settings.model_dump(mode="json")}
    return Source(found, settings.kernels, {}, description, skipped, with_3d=False, gpus=settings.gpus)


def recognise(sample: Sample) -> Seen | None:
    """Numbers (frames, joints, height, width)."""
    header = sample.arrays.get(_KEY, sample.arrays.get(""))
    if header is None or header.kind not in "fiu" or len(header.shape) != 4 or min(header.shape[2:]) < _LEAST_SIDE:
        return None
    return Seen("heatmaps", f"an array {header.shape} of frames, joints, height and width")


def _sequence(inputs: Inputs, settings: HeatmapsConfig, path: str, layout: Layout) -> LazySequence:
    shape = npz.shape_of(path, _KEY)
    joints = len(layout.joints)
    if len(shape) != 4 or shape[1] != joints or 0 in shape:
        raise InputError(f"{path}: expected heatmaps (frames, {joints} joints of {layout.name}, height, width), got {shape}")
    name = inputs.stem(path)
    return LazySequence("", name, "", shape[0], _Load(path, name, layout, settings, inputs.seed))


class _Load:
    """Reads and fits one file."""

    def __init__(self, path: str, name: str, layout: Layout, settings: HeatmapsConfig, seed: int):
        self.path, self.name, self.layout, self.settings, self.seed = path, name, layout, settings, seed

    def __call__(self) -> PoseSequence:
        frames, joints, *size = npz.shape_of(self.path, _KEY)
        box, (width, height) = self._view(frames, *size)
        mixtures: list[np.ndarray] = []
        kinds: list[np.ndarray] = []
        block = max(1, _BLOCK_BYTES // (joints * size[0] * size[1] * 4))
        for part in npz.blocks(self.path, _KEY, block):
            self._refuse_nan(part, block * len(mixtures))
            mixture, kind = heatmaps.fit(
                part, self.settings.kernels, self.settings.threshold, self.settings.restarts, self.seed,
                "cuda" if self.settings.gpus else "cpu",
            )  # fmt: skip
            mixtures.append(mixture)
            kinds.append(kind)
        mixture, kind = np.concatenate(mixtures), np.concatenate(kinds)  # (T, J, K, 5), (T, J)
        counts = {f"heatmaps_{name}": int((kind == code).sum()) for code, name in heatmaps.KINDS.items()}
        scale = box[:, None, None, 2:] / np.array(size[::-1])
        mixture[..., gmm.MEAN] = (mixture[..., gmm.MEAN] + self.settings.offset) * scale + box[:, None, None, :2]
        mixture[..., gmm.SIGMA] *= scale
        seen = np.stack([~np.isin(kind, _UNKNOWN)[:, row > 0].any(1) for row in self.layout.weights], axis=1)  # (T, 17)
        counts |= {"joints_missing": int((~seen).sum()), "frames_without_person": int((~seen.any(1)).sum())}
        mixture = gmm.mean_of_joints(mixture, self.layout.weights)
        frame = self._frame(frames)
        mixture = self._fill(mixture, seen, frame)
        screen = gmm.pixels_to_screen(mixture, width, height)
        return PoseSequence("", self.name, "", frame, screen, width, height, counts=counts)

    def _fill(self, mixture: np.ndarray, seen: np.ndarray, frame: np.ndarray) -> np.ndarray:
        """Joints without a heatmap as wide kernels where they may be; in frames without any, as wide as the heatmaps."""
        rows = np.flatnonzero(seen.any(1))
        places = fill(mixture[rows, :, 0, gmm.MEAN], seen[rows], frame[rows], self.settings.longest_gap)
        wide = np.zeros((*places.shape[:2], *mixture.shape[2:]), np.float32)  # (rows, 17, K, 5)
        wide[..., 0, 0] = 1
        wide[..., gmm.MEAN] = places[:, :, None]
        wide[..., gmm.SIGMA] = self.settings.missing_sigma_px
        mixture[rows] = np.where(seen[rows, :, None, None], mixture[rows], wide)
        return mixture

    def _view(self, frames: int, height: int, width: int) -> tuple[np.ndarray, tuple[int, int]]:
        """The box that each heatmap shows, (frames, 4), and the image's width and height."""
        settings = self.settings
        boxes = self._beside("boxes", (frames, 4))
        if boxes is not None:
            if settings.image_size is None:
                raise ImageSizeUnknown(f"{self.path}: the image size is not in the file; set 'heatmaps.image_size'", self.path)
            if not (np.isfinite(boxes).all() and (boxes[:, 2:] > 0).all()):
                raise InputError(f"{self.path}: member 'boxes': expected left, top, width and height, the latter above 0")
            return boxes.astype(np.float64), (settings.image_size[0], settings.image_size[1])
        if settings.stride is not None:
            stride = settings.stride
        elif settings.image_size is not None:
            stride = settings.image_size[0] / width
        else:
            choice = "'heatmaps.image_size' or 'heatmaps.stride'"
            raise ImageSizeUnknown(f"{self.path}: set {choice}, for nothing tells the image size", self.path)
        image = settings.image_size or [round(width * stride), round(height * stride)]
        box = np.tile([0.0, 0.0, width * stride, height * stride], (frames, 1))
        return box, (image[0], image[1])

    def _frame(self, frames: int) -> np.ndarray:
        numbers = self._beside("frame", (frames,))
        if numbers is None:
            return np.arange(frames, dtype=np.int32)
        if not ((numbers == np.floor(numbers)) & (numbers >= 0) & (numbers < 2**31)).all() or (np.diff(numbers) <= 0).any():
            raise InputError(f"{self.path}: member 'frame': expected ascending frame numbers")
        return numbers.astype(np.int32)

    def _beside(self, key: str, shape: tuple[int, ...]) -> np.ndarray | None:
        """A further array of the .npz; None where it has none."""
        if self.path.lower().endswith(".npy") or key not in npz.names(self.path):
            return None
        values = npz.load(self.path, [key])[key]
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu" or values.shape != shape:
            raise InputError(f"{self.path}: member '{key}': expected numbers {shape}")
        return values

    def _refuse_nan(self, part: np.ndarray, before: int) -> None:
        finite = np.isfinite(part).all((2, 3))
        if not finite.all():
            frame, joint = np.argwhere(~finite)[0]
            name = self.layout.joints[joint]
            raise InputError(f"{self.path}: frame {before + frame}, joint {joint} ({name}): a heatmap value is not finite")
