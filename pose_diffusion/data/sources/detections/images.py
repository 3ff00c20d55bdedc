"""Sizes of the images that detections were made on: read from the images' headers alone, or doubted by the joints."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image, UnidentifiedImageError

from pose_diffusion import storage
from pose_diffusion.data.sources.parsing import frame_number, natural
from pose_diffusion.errors import InputError

log = logging.getLogger(__name__)
_MANY = 0.1  # share of the joints, of which a few lie outside the image in any video
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def sizes(folder: str, names: Sequence[str] | None, frames: np.ndarray, recording: str) -> np.ndarray:
    """Width and height: (n, 2) of each row's own image where there are names or frame numbers in file names, else (2,) of
    the folder's first image where there is one alone. Images of one recording may lie in a subfolder of its name.
    """
    below = storage.join(folder, recording)
    base = below if storage.exists(below) else folder
    present = sorted((name for name in storage.list_files(base) if name.lower().endswith(_SUFFIXES)), key=natural)
    if not present:
        raise InputError(f"{base}: no images ({', '.join(_SUFFIXES)}) to read the image size from")
    if names is not None:
        by_name = {name: name for name in present} | {name.rsplit("/", 1)[-1]: name for name in present}
        chosen = [by_name.get(name) or by_name.get(name.rsplit("/", 1)[-1]) for name in names]
        wanted: list = list(names)
    elif len(present) == 1:
        return np.array(_size(storage.join(base, present[0])))
    else:
        by_frame = {frame_number(name, storage.join(base, name)): name for name in present if any(c.isdecimal() for c in name)}
        wanted = frames.tolist()
        chosen = [by_frame.get(frame) for frame in wanted]
    if None in chosen:
        raise InputError(f"{base}: no image for {wanted[chosen.index(None)]}")
    opened = sorted({name for name in chosen if name is not None})
    with ThreadPoolExecutor(16) as pool:  # on S3 an image is all waiting
        known = dict(zip(opened, pool.map(lambda name: _size(storage.join(base, name)), opened), strict=True))
    return np.array([known[name] for name in chosen if name is not None])


def warn_if_turned(where: str, points: np.ndarray, size: np.ndarray | None) -> None:
    """Logs where many of the (..., >= 2) points lie outside an image of (width, height), and in one of (height, width).

    Phones store videos on their side, and tools write the size of the stored video beside joints in the one that is shown.
    """
    if size is None or not points.size:
        return
    outside = (points[..., :2] > size).any(-1).mean()
    if outside > _MANY and (points[..., :2] > size[::-1]).any(-1).mean() < _MANY:
        width, height = size
        log.warning(
            "%s: %.0f%% of the joints lie outside the image of %d x %d that the file states, and inside one of %d x %d: "
            "a video on its side, whose depths and heights come out wrong; correct the size in the file's metadata",
            where, 100 * outside, width, height, height, width,
        )  # fmt: skip


def _size(path: str) -> tuple[int, int]:
    with storage.open_file(path) as file:
        try:
            with Image.open(file) as image:
                return image.size
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise InputError(f"{path}: not an image ({error})") from None
