"""What each source of poses is told: a section for each name that prepare.source takes."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from pose_diffusion.config.section import Count, NonNegative, Positive, Section, Share
from pose_diffusion.geometry.layouts import LAYOUTS, simplified

if TYPE_CHECKING:
    LayoutName = str
else:
    LayoutName = Literal[("auto", *LAYOUTS)]  # a file more in geometry/layouts is a choice more


class SyntheticConfig(Section):
    subjects: list[str] = ["S1", "S5", "S6", "S7", "S8", "S9", "S11"]
    """Bodies to make; each has Human3.6M's camera rig of that subject."""
    actions: list[str] | None = None
    """Actions to make; null makes all that the source knows."""
    clips: Count = 1
    """Clips for each subject and action."""
    frames: Count = 200
    """Frames in a clip, at 50 a second."""
    kernels: Count = 5
    """Mixture kernels a joint (K)."""


class Human36MConfig(Section):
    poses: str = "data_3d_h36m.npz"
    """The mocap file in prepare.input, VideoPose3D's layout."""
    detections: str = "data_2d_h36m_cpn_ft_h36m_dbb_gmm.npz"
    """The 2D file in prepare.input: mixtures (T, 17, K, 5) in DiffPose's layout or points (T, 17, 2) in VideoPose3D's."""
    image_size: Literal["camera", "published"] = "camera"
    """Normalise by each camera's own image size, or by 1000 x 1000 for all as the published code does."""
    sigma_unit: Literal["pixels", "normalised"] = "pixels"
    """Unit of sigma in the mixture file; DiffPose's own code uses the numbers as if normalised."""
    point_sigma_px: Positive = 5.0
    """Sigma, in pixels, of the one kernel made from a plain 2D point."""
    drop: list[str] = ["S11/Directions"]
    """Sequences, as subject/action, left out of both files; the default is the recording known to be corrupted."""


class ArchiveConfig(Section):
    layout: LayoutName = "auto"
    """Joint layout of the file; auto takes what the file says, else what its tool writes for that number of joints."""
    image_size: Annotated[list[Count], Field(min_length=2, max_length=2)] | None = None
    """Image width and height in pixels, where neither the file nor the images say it."""
    images: str = ""
    """Folder with the images, of which the sizes are read."""
    tracking: bool = True
    """Follow people from frame to frame where the file has no ids; false tells them apart by their place in a frame's list."""
    shortest_track: Count = 1
    """Leave out people who are there for fewer frames in all, as a detector's false finds are."""
    sigma_px: Positive = 5.0
    """Sigma, in pixels, of a joint of confidence 1; a joint of confidence c has sigma_px / max(c, 0.1)."""
    min_confidence: Share = 0.0
    """Joints of this confidence or less are missing."""
    missing: Literal["interpolate", "drop"] = "interpolate"
    """Give missing joints a wide kernel at an interpolated place, or drop their frames."""
    missing_sigma_px: Positive = 50.0
    """Sigma, in pixels, of a missing joint's kernel."""
    longest_gap: Annotated[int, Field(ge=0)] = 25
    """Frames over which a missing joint's place is interpolated in time; beyond, it is taken from the joints around it."""


class CocoConfig(ArchiveConfig):
    tracking: bool = False
    """As elsewhere, but false, for images that are not a video."""
    longest_gap: Annotated[int, Field(ge=0)] = 0
    """As elsewhere, but 0, for images that are not a video; set it where image ids are the frames of one."""


class OpenPoseConfig(ArchiveConfig):
    coordinates: Literal["pixels", "unit", "symmetric"] = "pixels"
    """What --keypoint_scale wrote: pixels (0 to 2), shares of the image from 0 to 1 (3), or from -1 to 1 (4)."""


class TableConfig(ArchiveConfig):
    coordinates: Literal["pixels", "unit", "symmetric"] = "pixels"
    """What x and y are: pixels, shares of the image's width and height from 0 to 1 (unit), or from -1 to 1 (symmetric)."""


class DeepLabCutConfig(ArchiveConfig):
    joints: dict[str, str] = {}
    """Joints of a layout that are other names in the file, as {left hip: hip_L, left ear: head}."""

    @field_validator("joints")
    @classmethod
    def _known_joints(cls, joints: dict[str, str]) -> dict[str, str]:
        known = {simplified(joint): joint for layout in reversed(LAYOUTS.values()) for joint in layout.joints}
        given: dict[str, str] = {}
        for joint, body_part in joints.items():
            if simplified(joint) not in known:
                nearest = difflib.get_close_matches(simplified(joint), known, 1, 0)
                raise ValueError(f"'{joint}' is no layout's joint, the nearest is '{known[nearest[0]]}'")
            if simplified(joint) in given:
                raise ValueError(f"'{given[simplified(joint)]}' and '{joint}' are the same joint")
            if not body_part.strip():
                raise ValueError(f"'{joint}': expected a name in the file, got an empty one")
            given[simplified(joint)] = joint
        return joints


class HeatmapsConfig(Section):
    layout: str = ""
    """Joint order of the heatmaps, which no file states and must be set: h36m17, coco17, body25, coco18, halpe26, ..."""
    kernels: Count = 5
    """Kernels a joint (K) to fit."""
    image_size: Annotated[list[Count], Field(min_length=2, max_length=2)] | None = None
    """Image width and height in pixels; null, without boxes in the file, takes the heatmap's size times stride."""
    stride: Positive | None = None
    """Image pixels of a heatmap pixel, where heatmaps show the whole image; null is image width over heatmap width."""
    offset: Share = 0.0
    """Where in a heatmap pixel its value stands: 0 as detectors that decode index * stride are trained, 0.5 in its middle."""
    threshold: Share = 0.01
    """Values below this share of a heatmap's largest count as 0, since networks leave noise there."""
    restarts: Count = 6
    """Starts of a fit, of which the best goes on."""
    missing_sigma_px: Positive = 50.0
    """Sigma, in pixels, of a joint whose heatmap is empty or flat."""
    longest_gap: Annotated[int, Field(ge=0)] = 25
    """Frames over which such a joint's place is interpolated in time; beyond, it is taken from the joints around it."""
    gpus: NonNegative = 0.0
    """GPUs of a task that fits, such as 0.25 where four tasks share one; 0 fits on the CPU."""


class MocapConfig(Section):
    joints: str = "auto"
    """Which of the file's joints make up the 17: a shipped map (cmu, mixamo, ...), a YAML file, or auto, the first to fit."""
    unit: Literal["auto", "metres", "centimetres", "millimetres", "quarter_millimetres", "inches", "cmu"] = "auto"
    """Unit of lengths in the files; auto is the one that makes the person 1.1 to 2.1 m tall, cmu is that database's own."""
    up: Literal["auto", "x", "y", "z", "-x", "-y", "-z"] = "auto"
    """Axis that points up; auto finds it from the rest pose, the motion, the floor and the other files of the same skeleton."""
    fps: Positive = 50.0
    """Frames a second to resample to."""
    subject: str = "mocap"
    """Subject of files that lie directly in prepare.input; below it, the folder is the subject."""
    cameras: Literal["human36m", "ring"] = "human36m"
    """Rig that sees the motion: Human3.6M's four cameras, or a ring."""
    rig_subject: Literal["S1", "S5", "S6", "S7", "S8", "S9", "S11"] = "S1"
    """Subject of Human3.6M whose calibration the rig has."""
    ring_cameras: Count = 4
    """Cameras of a ring, evenly spaced."""
    ring_radius: Annotated[float, Field(ge=2)] = 5.0
    """Radius of a ring in metres."""
    walk_radius: Annotated[float, Field(gt=0)] = 2.0
    """Metres from the middle of the rig beyond which paths are bent back, so that people stay in the picture."""
    kernels: Count = 5
    """Mixture kernels a joint (K) of the simulated detector."""


class BvhConfig(MocapConfig):
    source_fps: Positive | None = None
    """Frames a second of the files, where what they say is wrong; CMU's say 120 for recordings at 60."""


class AsfAmcConfig(MocapConfig):
    source_fps: Positive = 120.0
    """Frames a second of the AMC files, which do not say it; 120 in nearly all of CMU's database."""


class JointsConfig(MocapConfig):
    joints: str = "h36m17"
    """Which of the arrays' 17 joints make up the 17: each itself (h36m17), or a YAML file that takes them by other names."""
    up: Literal["auto", "x", "y", "z", "-x", "-y", "-z"] = "z"
    """Axis that points up; auto finds it from the motion and what most of the arrays say."""
    source_fps: Positive = 30.0
    """Frames a second of the arrays."""
    split: str = ""
    """JSON file beside the arrays that says which clips train, which test and which are left out; empty leaves it to
    prepare.test_subjects."""


class MpiInf3dhpConfig(Section):
    files: Literal["npz", "original"] = "npz"
    """What prepare.input holds: the .npz files of P-STMO, or the data set's own annot.mat and annot_data.mat in its folders."""
    train: str = "data_train_3dhp.npz"
    """The training file in prepare.input (npz); empty leaves the training set out."""
    test: str = "data_test_3dhp.npz"
    """The test file in prepare.input (npz); empty leaves the test set out."""
    annotation: Literal["univ_annot3", "annot3"] = "univ_annot3"
    """Which ground truth to read (original), or which the .npz holds: scaled to one body height, or as measured."""
    cameras: list[Annotated[int, Field(ge=0, le=13)]] = [0, 1, 2, 4, 5, 6, 7, 8]
    """Training cameras to take; those at chest height and below the ceiling by default, as published work does."""
    valid_only: bool = True
    """Take those test frames alone that the data set marks as valid (2,929 of them)."""
    point_sigma_px: Positive = 10.0
    """Sigma, in pixels of its 2048-pixel images, of the one kernel made from a 2D point."""


class Mmpose3dConfig(Section):
    annotations: str = ""
    """The *_body3d.npz in prepare.input; empty where prepare.input is the file itself."""
    detections: str = ""
    """A detector's .npy (rows as in the annotations; x, y, score) in prepare.input; empty takes the annotated 2D."""
    layout: Literal["auto", "h36m17", "mpi_inf_3dhp17"] = "auto"
    """Joint layout of the file; auto takes that of the data set whose image names it has."""
    image_size: Annotated[list[Count], Field(min_length=2, max_length=2)] | None = None
    """Image width and height in pixels; null takes those of Human3.6M's cameras, by the image names."""
    point_sigma_px: Positive = 5.0
    """Sigma, in pixels, of a joint of score 1; a joint of score s has point_sigma_px / max(s, 0.1)."""
