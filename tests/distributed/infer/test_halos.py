"""Which rows of neighbouring files a file's clips reach into."""

from __future__ import annotations

from pose_diffusion.data.manifest import Selection, ShardFile, Span
from pose_diffusion.distributed.infer.halos import Halo, Neighbour, halos

ALL = Selection()


def shard(name: str, *spans: tuple[str, int], split: str = "test") -> ShardFile:
    listed = [Span(subject="S9", action=action, camera="c", rows=rows) for action, rows in spans]
    return ShardFile(path=name, split=split, rows=sum(rows for _, rows in spans), bytes=1, sha256="", spans=listed)


def test_a_sequence_that_goes_on_gives_rows_of_the_neighbouring_files() -> None:
    one, two, three = shard("1", ("A", 10), ("B", 20)), shard("2", ("B", 30)), shard("3", ("B", 5), ("C", 5))
    first, middle, last = halos([one, two, three], ALL, 8)
    assert first == Halo((), (Neighbour(two, 0, 8),), 0)
    assert middle == Halo((Neighbour(one, 22, 30),), (Neighbour(three, 0, 5),), 20)
    assert last == Halo((Neighbour(two, 22, 30),), (), 50)


def test_files_smaller_than_the_halo_are_passed_through_nearest_first() -> None:
    files = [shard(str(number), ("A", 3)) for number in range(5)]
    found = halos(files, ALL, 5)
    assert found[2] == Halo(
        (Neighbour(files[1], 0, 3), Neighbour(files[0], 1, 3)), (Neighbour(files[3], 0, 3), Neighbour(files[4], 0, 2)), 6
    )


def test_another_sequence_or_split_ends_the_halo() -> None:
    one, two, three = shard("1", ("A", 9)), shard("2", ("B", 9)), shard("3", ("B", 9), split="train")
    assert halos([one, two, three], ALL, 5) == [Halo(), Halo(), Halo()]


def test_a_sequence_of_the_same_name_further_away_is_not_reached() -> None:
    files = [shard("1", ("A", 9)), shard("2", ("B", 1)), shard("3", ("A", 9))]
    assert halos(files, ALL, 5) == [Halo(), Halo(), Halo()]


def test_rows_that_are_not_selected_do_not_count() -> None:
    one, two = shard("1", ("A", 9), ("B", 100)), shard("2", ("B", 50), ("A", 9))
    first, second = halos([one, two], Selection(actions=frozenset({"A"})), 4)
    assert first == Halo((), (Neighbour(two, 50, 54),), 0)
    assert second == Halo((Neighbour(one, 5, 9),), (), 9)


def test_no_rows_are_no_halo() -> None:
    files = [shard("1", ("A", 9)), shard("2", ("A", 9))]
    assert [(halo.before, halo.after) for halo in halos(files, ALL, 0)] == [((), ())] * 2
