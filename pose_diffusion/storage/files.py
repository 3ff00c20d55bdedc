"""One way to read, list and publish files on a local disk and on S3.

A path is local or `s3://bucket/key`; credentials and endpoint come from the usual AWS variables, through fsspec.
Publishing is atomic: a file appears whole under its name or not at all (local: a temporary name beside it, then a
rename; S3: an object exists once its upload is complete; a large one goes up in parts, several at once).

What S3 refuses for a while is asked for again: each request by the client (errors 500 and 503, 'slow down', connections
that break or stall), then the whole call, whose answer may have broken off in the middle.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import fsspec
import pyarrow.fs

from pose_diffusion.errors import InputError, StorageError
from pose_diffusion.storage import s3
from pose_diffusion.storage.retry import is_transient, retry

Result = TypeVar("Result")

_CHUNK = 1 << 22
_TEMPORARY = ".publishing-"
_RETRIES = 2  # of a whole call


def is_remote(path: str) -> bool:
    return "://" in str(path)


def join(base: str, *parts: str) -> str:
    return "/".join([str(base).rstrip("/"), *(part.strip("/") for part in parts)])


def absolute(path: str, root: str = "") -> str:
    """A relative path placed below the root, or below the working directory without one; '' and whole paths as they are."""
    if not path or is_remote(path):
        return path
    if is_remote(root) and not os.path.isabs(path):
        return join(root, os.path.normpath(path))
    return os.path.abspath(os.path.join(root, path))


def filesystem(path: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The fsspec filesystem of a path and the path inside it. Raises InputError for an unknown scheme."""
    scheme = path.split("://", 1)[0] if is_remote(path) else "file"
    if scheme not in ("s3", "file"):
        raise InputError(f"{path}: expected a local path or s3://bucket/key, got {scheme}://")
    if scheme == "s3":
        return s3.client(), path.removeprefix("s3://").rstrip("/")
    return fsspec.filesystem("file"), os.path.abspath(path.removeprefix("file://"))


def arrow_filesystem(path: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """The pyarrow filesystem of a path and the path inside it, as Ray and pyarrow's readers take them."""
    inner = filesystem(path)[1]
    return (s3.ArrowClient(inner.split("/")[0]) if is_remote(path) else pyarrow.fs.LocalFileSystem()), inner


def _ask(path: str, call: Callable[[], Result]) -> Result:
    """What a call to a path's filesystem returns, asked for again where remote storage refuses it for a while."""

    def once() -> Result:
        with clear_errors(path):
            return call()

    return retry(once, _RETRIES) if is_remote(path) else once()


@contextlib.contextmanager
def clear_errors(path: str) -> Iterator[None]:
    """Turns what filesystems raise for bad paths and credentials into one line: StorageError where a retry may help."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file, folder or bucket") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, expected a file") from None
    except (NotADirectoryError, FileExistsError):
        raise InputError(f"{path}: a part of the path is a file, not a folder") from None
    except PermissionError as error:
        kind = StorageError if is_remote(path) else InputError
        raise kind(f"{path}: access refused ({error})") from None
    except Exception as error:
        client = type(error).__module__.split(".")[0] in ("botocore", "aiobotocore", "aiohttp", "fsspec")
        # An OSError without a number is pyarrow's, of what is in a file.
        if client or (is_remote(path) and isinstance(error, OSError) and (error.errno or is_transient(error))):
            raise StorageError(f"{path}: {type(error).__name__}: {error}") from None
        raise


def touch(path: str, write: bool) -> None:
    """Looks whether a place on S3 can be listed, and written if asked, trying for seconds alone.

    Raises InputError where it cannot: no such bucket, no access, no answer. Whether something is there does not matter.
    """
    inner = filesystem(path)[1]
    bucket, _, key = inner.partition("/")
    fs = s3.client(tries=3)
    try:
        with clear_errors(path):
            fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=key, MaxKeys=1)
            if write:
                probe = join(inner, f"{_TEMPORARY}{uuid.uuid4().hex}")
                fs.pipe_file(probe, b"")
                fs.rm_file(probe)
    except StorageError:
        raise
    except InputError:
        raise InputError(f"{path}: no such bucket '{bucket}'") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def exists(path: str) -> bool:
    """Whether a file or folder (on S3: a key or a prefix) is there."""
    fs, inner = filesystem(path)
    return bool(_ask(path, lambda: fs.exists(inner)))


def size(path: str) -> int:
    """Bytes of a file. Raises InputError where it is missing."""
    fs, inner = filesystem(path)
    return int(_ask(path, lambda: fs.size(inner)))


def list_sizes(folder: str, suffix: str = "") -> dict[str, int]:
    """Path, relative to the folder, and bytes of every file below it, sorted. An absent folder holds none."""
    fs, inner = filesystem(folder)
    found = _ask(folder, lambda: fs.find(inner, detail=True))
    sizes = {name[len(inner) :].lstrip("/"): int(entry["size"]) for name, entry in found.items() if name.endswith(suffix)}
    return {name: sizes[name] for name in sorted(sizes) if name and _TEMPORARY not in name}


def list_files(folder: str, suffix: str = "") -> list[str]:
    """Paths of all files below a folder, relative to it and sorted. An absent folder holds none."""
    return list(list_sizes(folder, suffix))


def open_file(path: str):
    """A binary file-like object to read parts of, closed by the caller. Raises InputError where it is missing."""
    fs, inner = filesystem(path)

    def opened():
        if fs.isdir(inner):
            raise IsADirectoryError(path)
        return fs.open(inner, "rb")

    return _ask(path, opened)


def read_bytes(path: str) -> bytes:
    """A whole file, from S3 in one request. Raises InputError where it is missing."""
    fs, inner = filesystem(path)
    return _ask(path, lambda: fs.cat_file(inner, **({"max_concurrency": 1} if is_remote(path) else {})))


def read_ahead(paths: Iterable[str], most: int = 16) -> Iterator[bytes]:
    """Whole files in order; some are read while earlier ones are worked on, as a small file on S3 is all waiting."""
    pool = ThreadPoolExecutor(most)
    try:
        ahead: deque[Future[bytes]] = deque()
        for path in paths:
            ahead.append(pool.submit(read_bytes, path))
            if len(ahead) > most:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        # Where the caller has stopped, this may run in any thread in which garbage is collected, one that is just being started
        # among them: to wait for threads here could be to wait for oneself.
        pool.shutdown(wait=False, cancel_futures=True)


def read_range(path: str, start: int, stop: int) -> bytes:
    """The bytes from start to stop of a file, from S3 in one request. Raises InputError where it is missing."""
    fs, inner = filesystem(path)
    return _ask(path, lambda: fs.cat_file(inner, start=start, end=stop))


def sha256(path: str) -> str:
    """Hex digest of a file's content."""
    fs, inner = filesystem(path)

    def digest() -> str:
        total = hashlib.sha256()
        with fs.open(inner, "rb") as file:
            while chunk := file.read(_CHUNK):
                total.update(chunk)
        return total.hexdigest()

    return _ask(path, digest)


@contextlib.contextmanager
def publish(path: str) -> Iterator[Path]:
    """A local file to write; it becomes `path` when the block ends well and vanishes when it does not."""
    fs, inner = filesystem(path)
    if is_remote(path):
        with tempfile.TemporaryDirectory() as folder:
            temporary = Path(folder) / "file"
            yield temporary
            _ask(path, lambda: fs.put_file(str(temporary), inner))
        return
    target = Path(inner)
    temporary = target.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}-{target.name}")
    with clear_errors(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


def publish_bytes(path: str, content: bytes) -> None:
    """Writes a whole file atomically."""
    with publish(path) as temporary:
        temporary.write_bytes(content)


def remove_file(path: str) -> None:
    """Deletes a file if it is there."""
    fs, inner = filesystem(path)

    def remove() -> None:
        with contextlib.suppress(FileNotFoundError):
            fs.rm_file(inner)

    _ask(path, remove)


def remove_unpublished(folder: str) -> None:
    """Deletes what processes that were killed while they published left below a local folder; S3 keeps no such files.

    For the end of a job, when nothing below the folder is being written.
    """
    if not is_remote(folder):
        for left in Path(folder).rglob(f"{_TEMPORARY}*"):
            left.unlink(missing_ok=True)


def remove_folder(folder: str) -> None:
    """Deletes a folder and all below it, if it is there."""
    fs, inner = filesystem(folder)

    def remove() -> None:
        with contextlib.suppress(FileNotFoundError):
            fs.rm(inner, recursive=True)

    _ask(folder, remove)
