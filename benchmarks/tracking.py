"""`python -m benchmarks.tracking`: how well people are followed on generated scenes, and what a frame costs.

`--compare FILE.py` sets another tracker beside it: a file with a function `track(points, seen, frame)` or
`track(points, seen, frame, confidence)`, such as an earlier version of `pose_diffusion.data.tracking`. Prints tables in
Markdown, and the scenes in which this tracker has the lower IDF1.
"""

from __future__ import annotations

import argparse
import runpy
import time
from collections.abc import Callable

import numpy as np

from benchmarks.crowd_scenes import Scene, scene
from benchmarks.identity import Identity, identity
from pose_diffusion.data.tracking import track

Tracker = Callable[[Scene], np.ndarray]
_RATES = {"25 fps": (25, 1, False), "60 fps": (60, 1, False), "every 5th of 25 fps": (25, 5, False),
          "the same, renumbered": (25, 5, True)}  # fmt: skip
_FIRST_SEED = 1000  # the tracker's constants were chosen on seeds below it
_DETECTORS = ("missing", "guessed")
_COLUMNS = ("frames", "tracker", "switches", "fragments", "false finds taken", "IDF1", "lowest IDF1", "ms a frame")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracking", description=__doc__)
    parser.add_argument("--people", type=int, nargs="*", default=[2, 5, 10, 20])
    parser.add_argument("--seeds", type=int, default=5, help="scenes of 12 s for each row, one for either kind of detector")
    parser.add_argument("--cost", type=int, default=0, help="time this many frames of ten people")
    parser.add_argument("--compare", help="a Python file with another `track`")
    options = parser.parse_args()
    trackers = {"this": _tracker(track)}
    if options.compare:
        trackers = {"other": _tracker(runpy.run_path(options.compare)["track"]), **trackers}
    for people in options.people:
        _table(people, options.seeds, trackers)
    if options.cost:
        long = there_and_back(scene(10, 25, _FIRST_SEED), options.cost)
        print(f"\n{options.cost} frames with {len(long.frame) / options.cost:.1f} detections each")
        for name, tracker in trackers.items():
            print(f"{name}: {_timed(tracker, long)[1]:.2f} s")


def _table(people: int, seeds: int, trackers: dict[str, Tracker]) -> None:
    print(f"\n{people} people\n\n| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}")
    worse = []
    names = [(_FIRST_SEED + number, detector) for number in range(seeds) for detector in _DETECTORS]
    whole = {
        fps: [scene(people, fps, seed, hidden_joints=detector) for seed, detector in names]
        for fps in {fps for fps, _, _ in _RATES.values()}
    }
    for rate, (fps, stride, renumbered) in _RATES.items():
        scenes = [one.every(stride, renumbered) for one in whole[fps]]
        idf1 = []
        for name, tracker in trackers.items():
            found, seconds = zip(*(_scored(tracker, one) for one in scenes), strict=True)
            idf1.append([one.idf1 for one in found])
            total = sum(found, Identity())
            time_ms = 1000 * sum(seconds) / sum(len(np.unique(one.frame)) for one in scenes)
            counts = f"{total.switches} | {total.fragments} | {total.taken}"
            print(f"| {rate} | {name} | {counts} | {total.idf1:.1%} | {min(idf1[-1]):.1%} | {time_ms:.2f} |", flush=True)
        for (seed, detector), theirs, ours in zip(names, idf1[0], idf1[-1], strict=True):
            if ours < theirs:
                worse.append(f"{rate}, seed {seed}, {detector}: {ours:.1%}, other {theirs:.1%}")
    if len(trackers) > 1:
        print("\nlower IDF1 in " + ("; ".join(worse) or "no scene"), flush=True)


def _tracker(function: Callable[..., np.ndarray]) -> Tracker:
    def call(given: Scene) -> np.ndarray:
        values = (given.points, given.seen, given.frame, given.confidence)
        return function(*values[: function.__code__.co_argcount])

    return call


def _timed(tracker: Tracker, given: Scene) -> tuple[np.ndarray, float]:
    """The tracks, and the seconds that the process took."""
    start = time.process_time()
    tracks = tracker(given)
    return tracks, time.process_time() - start


def _scored(tracker: Tracker, given: Scene) -> tuple[Identity, float]:
    tracks, seconds = _timed(tracker, given)
    return identity(given.person, given.frame, tracks), seconds


def there_and_back(given: Scene, frames: int) -> Scene:
    """A scene of any length: forwards and backwards in turn, so that nobody's path breaks off."""
    length = int(given.frame.max()) + 1
    parts = []
    for start in range(0, frames, length):
        frame = given.frame if start // length % 2 == 0 else length - 1 - given.frame
        parts.append(Scene(given.points, given.confidence, start + frame, given.person))
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in ("points", "confidence", "frame", "person")]
    rows = columns[2] < frames
    return Scene(*(column[rows] for column in columns))


if __name__ == "__main__":
    main()
