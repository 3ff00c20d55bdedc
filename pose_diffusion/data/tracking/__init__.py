"""Who is who from frame to frame, for 2D poses of detectors that do not say it and list people in any order.

`motion` says where a person will be and how well a pose agrees with that, `tracker` follows people from frame to frame, and
`linking` joins the parts of a person's track over the gaps between them.
"""

from pose_diffusion.data.tracking.tracker import MAX_PEOPLE, track

__all__ = ["MAX_PEOPLE", "track"]
