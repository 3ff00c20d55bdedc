"""Who is who from frame to frame, for 2D poses of detectors that do not say it and list people in any order."""

from pose_diffusion.data.tracking.tracker import MAX_PEOPLE, track

__all__ = ["MAX_PEOPLE", "track"]
