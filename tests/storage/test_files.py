"""Files on a local disk and on S3 (moto's server): atomic publishing, listing and clear errors."""

import subprocess
import sys
import threading

import pytest

from pose_diffusion import storage
from pose_diffusion.errors import InputError
from pose_diffusion.storage import files


@pytest.fixture(params=["local", "s3"])
def folder(request, tmp_path):
    if request.param == "local":
        return str(tmp_path / "data")
    return request.getfixturevalue("s3_bucket") + "/data"


def test_what_is_published_is_read_back(folder):
    path = storage.join(folder, "a", "b.txt")
    storage.publish_bytes(path, b"content")
    assert storage.read_bytes(path) == b"content"
    assert storage.exists(path) and storage.size(path) == 7
    assert storage.sha256(path) == "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"


def test_publishing_again_replaces(folder):
    path = storage.join(folder, "a.txt")
    storage.publish_bytes(path, b"one")
    storage.publish_bytes(path, b"two")
    assert storage.read_bytes(path) == b"two"


def test_parts_of_a_file_are_read(folder):
    path = storage.join(folder, "a.txt")
    storage.publish_bytes(path, b"0123456789")
    assert storage.read_range(path, 2, 5) == b"234"


def test_files_are_read_ahead_in_their_order(folder):
    paths = [storage.join(folder, f"{number}.txt") for number in range(9)]
    for number, path in enumerate(paths):
        storage.publish_bytes(path, bytes([number]))
    assert list(storage.read_ahead(iter(paths), most=2)) == [bytes([number]) for number in range(9)]


def test_who_stops_reading_ahead_does_not_wait_for_reads_under_way(tmp_path, monkeypatch):
    """The generator may be closed by the garbage collector, in a thread that these reads would wait for."""
    go_on = threading.Event()

    def read(path: str) -> bytes:
        if path == "slow":
            go_on.wait(60)
        return b""

    monkeypatch.setattr(files, "read_bytes", read)
    reading = storage.read_ahead(["fast", *["slow"] * 4], most=2)
    next(reading)
    closing = threading.Thread(target=reading.close)
    closing.start()
    closing.join(30)
    stopped = not closing.is_alive()
    go_on.set()
    closing.join()
    assert stopped


def test_reading_ahead_tells_of_a_missing_file(folder):
    storage.publish_bytes(storage.join(folder, "a"), b"")
    with pytest.raises(InputError, match="absent: no such file"):
        list(storage.read_ahead([storage.join(folder, "a"), storage.join(folder, "absent")]))


def test_a_failed_write_publishes_nothing_and_leaves_nothing(folder):
    path = storage.join(folder, "a.txt")
    with pytest.raises(RuntimeError), storage.publish(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert not storage.exists(path)
    assert storage.list_files(folder) == []


def test_a_failed_write_keeps_the_earlier_file(folder):
    path = storage.join(folder, "a.txt")
    storage.publish_bytes(path, b"whole")
    with pytest.raises(RuntimeError), storage.publish(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert storage.read_bytes(path) == b"whole"


def test_listing_is_sorted_relative_and_sized(folder):
    for name in ("b.parquet", "a/c.parquet", "a/d.json"):
        storage.publish_bytes(storage.join(folder, name), b"12")
    assert storage.list_files(folder, ".parquet") == ["a/c.parquet", "b.parquet"]
    assert storage.list_sizes(folder, ".json") == {"a/d.json": 2}


def test_an_absent_folder_lists_nothing(folder):
    assert storage.list_files(folder) == []


def test_removing_an_absent_file_is_quiet(folder):
    storage.publish_bytes(storage.join(folder, "here.txt"), b"")
    storage.remove_file(storage.join(folder, "absent.txt"))
    storage.remove_file(storage.join(folder, "here.txt"))
    assert storage.list_files(folder) == []


def test_arrow_reads_what_was_published(folder):
    storage.publish_bytes(storage.join(folder, "a.bin"), b"arrow")
    filesystem, inner = storage.arrow_filesystem(folder)
    with filesystem.open_input_file(f"{inner}/a.bin") as file:
        assert file.read() == b"arrow"


def test_a_missing_file_is_named(folder):
    path = storage.join(folder, "absent.txt")
    with pytest.raises(InputError, match=r"absent\.txt: no such file, folder or bucket"):
        storage.read_bytes(path)


def test_a_missing_bucket_is_an_input_error(s3_bucket):
    with pytest.raises(InputError, match="s3://no-such-bucket/a"):
        storage.publish_bytes("s3://no-such-bucket/a", b"x")


def test_an_unknown_scheme_is_refused():
    with pytest.raises(InputError, match="expected a local path or s3://"):
        storage.read_bytes("ftp://host/file")


def test_a_folder_is_not_read_as_a_file(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        storage.read_bytes(str(tmp_path))


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        storage.publish_bytes(str(tmp_path / "file" / "below.txt"), b"")


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path):
    publish = (
        "import os, sys; from pose_diffusion import storage\nwith storage.publish(sys.argv[1]) as t: t.touch(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", publish, str(tmp_path / "deep" / "a.parquet")]).returncode == 9
    storage.publish_bytes(str(tmp_path / "deep" / "b.parquet"), b"whole")
    assert len(list((tmp_path / "deep").iterdir())) == 2
    storage.remove_unpublished(str(tmp_path))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["b.parquet"]


def test_a_removed_folder_is_gone_with_all_below_it_and_nothing_else(folder):
    for name in ("run/a.txt", "run/below/b.txt", "runner/c.txt"):
        storage.publish_bytes(storage.join(folder, name), b"x")
    storage.remove_folder(storage.join(folder, "run"))
    assert [name for name in storage.list_files(folder) if name.startswith("run")] == ["runner/c.txt"]


def test_an_absent_folder_is_removed_without_complaint(folder):
    storage.remove_folder(storage.join(folder, "absent"))
    assert not storage.exists(storage.join(folder, "absent"))
