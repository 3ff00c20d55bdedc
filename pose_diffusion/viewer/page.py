"""The page of a recording's people in 2D and 3D: one HTML file that needs no network and no server."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pose_diffusion.errors import InputError
from pose_diffusion.geometry.skeleton import EDGES, JOINTS, LEFT, N_JOINTS, RIGHT
from pose_diffusion.inference.lifted import LiftedFile, LiftedPerson, LiftedRecording
from pose_diffusion.pages.render import render_page
from pose_diffusion.storage.files import join, publish_bytes
from pose_diffusion.viewer import marks
from pose_diffusion.viewer import video as videos
from pose_diffusion.viewer.packing import pack

STEP_PX = 0.1
STEP_M = 0.0005
"""What the page's numbers are rounded to; the page says so."""


def write(
    recording: LiftedRecording,
    path: str | os.PathLike,
    video: str | os.PathLike | None = None,
    world: Sequence[np.ndarray] | None = None,
    ground: str = "",
) -> None:
    """Writes the page to a local path or s3://.

    video: a local file, whose frame n is shown at n / fps seconds. world: for each person (T, 17, 3) metres, z up, the floor at
    z = 0, NaN where unknown. ground: how up and the floor are known, a sentence for the page.
    Raises InputError for a video that is missing or that browsers do not play, and for a world of other shapes.
    """
    shown = None if video is None else videos.describe(video, os.fspath(path))
    publish_bytes(os.fspath(path), render(recording, shown, world, ground).encode())


def write_pages(lifted: LiftedFile, folder: Path, published: str, video: str = "") -> list[str]:
    """Writes a page a recording into a local folder, and returns their names: view.html, or view 0.html, view 1.html, ...

    published: the folder that the pages will be in at last, where they look for the video. Raises InputError as `write` does,
    and for a video of several recordings.
    """
    several = len(lifted.recordings) > 1
    if video and several:
        raise InputError(f"{video}: the input has {len(lifted.recordings)} recordings, expected the one that the video is of")
    names = []
    for number, recording in enumerate(lifted.recordings):
        name = f"view {number}.html" if several else "view.html"
        shown = videos.describe(video, join(published, name)) if video else None
        world = recording.world
        joints = None if world is None else [recording.joints_world(place) for place in range(len(recording.people))]
        ground = "" if world is None else f"{world.summary().capitalize()}. The camera is taken to stand still."
        (folder / name).write_text(render(recording, shown, joints, ground), encoding="utf-8")
        names.append(name)
    return names


def render(
    recording: LiftedRecording, video: dict | None = None, world: Sequence[np.ndarray] | None = None, ground: str = ""
) -> str:
    """The page's text. video: see `video.describe`; the rest: see `write`."""
    people, limit = recording.people, marks.spread_limit(recording.people)
    if world is not None and [w.shape for w in world] != [p.pose_3d.shape for p in people]:
        raise InputError(f"world: shapes {[w.shape for w in world]}, expected {[p.pose_3d.shape for p in people]}")
    return render_page("pose_diffusion.viewer", {
        "name": recording.name,
        "size": [recording.width, recording.height],
        "fps": recording.fps,
        "frames": _frames(people),
        "skeleton": {
            "count": N_JOINTS,
            "edges": EDGES,
            "sides": ["left" if j in LEFT else "right" if j in RIGHT else "middle" for j in range(N_JOINTS)],
            "names": JOINTS,
        },
        "people": [
            {"name": p.name, "rows": len(p.frame), "marks": marks.find(p, limit, recording.fps)} for p in people
        ],
        "rows": {
            "frame": pack(np.concatenate([p.frame for p in people]), 1),
            "pose_2d": pack(np.concatenate([p.pose_2d for p in people]), STEP_PX),
            "seen": pack(np.concatenate([p.seen for p in people]), 1),
            "pose_3d": pack(np.concatenate([p.pose_3d for p in people]), STEP_M),
            "spread": pack(np.concatenate([p.spread for p in people]), STEP_M),
            "root_3d": pack(np.concatenate([p.root_3d for p in people]), STEP_M),
            "world": None if world is None else pack(np.concatenate(world), STEP_M),
        },
        "limits": {
            "unsure_m": limit, "unsure_times": marks.UNSURE, "pose_jump": marks.POSE_JUMP, "place_jump": marks.PLACE_JUMP,
        },
        "steps": {"px": STEP_PX, "m": STEP_M},
        "assumptions": assumptions(recording, world is not None, ground),
        "video": video,
    })  # fmt: skip


def assumptions(recording: LiftedRecording, world: bool, ground: str = "") -> list[list[str]]:
    """[subject, sentence] pairs: what was known of the recording, and what was assumed."""
    camera = recording.camera
    degrees = math.degrees(2 * math.atan(recording.width / 2 / camera.focal[0]))
    lens = f"focal length {camera.focal[0]:.0f} pixels, a horizontal field of view of {degrees:.0f} degrees"
    if recording.camera_assumed:
        lens = (
            f"Assumed: {lens}. With another lens all distances from the camera, and how far people lean towards it, change; "
            "state the camera or its field of view to mend this."
        )
    else:
        lens = f"Known: {lens}."
    known = "Assumed" if recording.fps_assumed else "Known"
    if not world:
        ground = "Unknown: 3D is in the camera's frame, and its level is the camera's, not the ground's."
    elif not ground:
        ground = "Up and the floor were fitted; the camera is taken to stand still."
    return [
        ["Camera", lens],
        ["Frame rate", f"{known}: {recording.fps:g} frames a second."],
        ["Image", f"{recording.width} x {recording.height} pixels."],
        ["Ground", ground],
        ["Keypoints from", recording.source],
        ["Model", recording.model[:12]],
    ]


def _frames(people: Sequence[LiftedPerson]) -> dict[str, int]:
    """First and last frame number of anyone, and the stride: the largest step that meets all frames between them."""
    frame = np.unique(np.concatenate([person.frame for person in people]))
    stride = int(np.gcd.reduce(np.diff(frame))) if len(frame) > 1 else 1
    return {"first": int(frame[0]), "last": int(frame[-1]), "stride": stride}
