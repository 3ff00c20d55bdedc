"""The 17 joints of Human3.6M: names, edges, left and right, and the adjacency matrices of the graph networks.

Order and symmetry are those of VideoPose3D (arXiv 1811.11742), which all the published lifters share.
"""

from __future__ import annotations

import numpy as np

JOINTS = (
    "Hip", "RHip", "RKnee", "RFoot", "LHip", "LKnee", "LFoot", "Spine", "Thorax",
    "Neck/Nose", "Head", "LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist",
)  # fmt: skip
N_JOINTS = len(JOINTS)
ROOT = 0
PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)
EDGES = tuple((parent, joint) for joint, parent in enumerate(PARENTS) if parent >= 0)
LEFT = (4, 5, 6, 11, 12, 13)
RIGHT = (1, 2, 3, 14, 15, 16)

# Where each joint's mirror image stands: flipped[j] = pose[FLIP[j]].
FLIP = tuple(dict(zip(LEFT + RIGHT, RIGHT + LEFT, strict=True)).get(j, j) for j in range(N_JOINTS))

# The 17 among the 32 joints of Human3.6M's own mocap files.
H36M_32 = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)

# The joints that MPI-INF-3DHP's PCK and AUC count: all but pelvis, spine and head (arXiv 1611.09813, as coded in D3DP).
PCK_JOINTS = tuple(j for j in range(N_JOINTS) if JOINTS[j] not in ("Hip", "Spine", "Neck/Nose"))


def adjacency(edges: tuple[tuple[int, int], ...] = EDGES, nodes: int = N_JOINTS) -> np.ndarray:
    """Symmetric adjacency with self-loops, each row divided by its sum. Returns (nodes, nodes) float32."""
    a = np.eye(nodes)
    for i, j in edges:
        a[i, j] = a[j, i] = 1.0
    return (a / a.sum(1, keepdims=True)).astype(np.float32)


def cross_channel_adjacency() -> np.ndarray:
    """Adjacency of the 34-node graph of Cross-Channel Embedding: a 2D skeleton (nodes 0-16), a 3D skeleton
    (nodes 17-33) and an edge between each joint's two nodes. Returns (34, 34) float32.
    """
    lifted = tuple((i + N_JOINTS, j + N_JOINTS) for i, j in EDGES)
    bridges = tuple((j, j + N_JOINTS) for j in range(N_JOINTS))
    return adjacency(EDGES + lifted + bridges, 2 * N_JOINTS)
