"""One way to read, list and publish files on a local disk and on S3.

A path is local or `s3://bucket/key`; credentials and endpoint come from the usual AWS variables, through fsspec.
Publishing is atomic: a file appears whole under its name or not at all (local: a temporary name beside it, then a
rename; S3: an object exists once its upload is complete).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pyarrow.fs

from pose_diffusion.errors import InputError, StorageError

_CHUNK = 1 << 22
_TEMPORARY = ".publishing-"


def is_remote(path: str) -> bool:
    return "://" in str(path)


def join(base: str, *parts: str) -> str:
    return "/".join([str(base).rstrip("/"), *(part.strip("/") for part in parts)])


def absolute(path: str) -> str:
    """A local path made absolute; '' and remote paths as they are."""
    return path if not path or is_remote(path) else os.path.abspath(path)


def filesystem(path: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The fsspec filesystem of a path and the path inside it. Raises InputError for an unknown scheme."""
    scheme = path.split("://", 1)[0] if is_remote(path) else "file"
    if scheme not in ("s3", "file"):
        raise InputError(f"{path}: expected a local path or s3://bucket/key, got {scheme}://")
    if scheme == "s3":
        return fsspec.filesystem("s3", use_listings_cache=False), path.removeprefix("s3://").rstrip("/")
    return fsspec.filesystem("file"), os.path.abspath(path.removeprefix("file://"))


def arrow_filesystem(path: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """The pyarrow filesystem of a path and the path inside it, as Ray and pyarrow's readers take them."""
    inner = filesystem(path)[1]
    if path.startswith("s3://"):
        # from_uri takes AWS_ENDPOINT_URL from the environment; S3FileSystem() would not.
        return pyarrow.fs.FileSystem.from_uri(f"s3://{inner}")
    return pyarrow.fs.LocalFileSystem(), inner


@contextlib.contextmanager
def _clear_errors(path: str) -> Iterator[None]:
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
        if type(error).__module__.split(".")[0] in ("botocore", "aiobotocore", "aiohttp"):
            raise StorageError(f"{path}: {type(error).__name__}: {error}") from None
        raise


def exists(path: str) -> bool:
    """Whether a file or folder (on S3: a key or a prefix) is there."""
    fs, inner = filesystem(path)
    with _clear_errors(path):
        return bool(fs.exists(inner))


def size(path: str) -> int:
    """Bytes of a file. Raises InputError where it is missing."""
    fs, inner = filesystem(path)
    with _clear_errors(path):
        return int(fs.size(inner))


def list_sizes(folder: str, suffix: str = "") -> dict[str, int]:
    """Path, relative to the folder, and bytes of every file below it, sorted. An absent folder holds none."""
    fs, inner = filesystem(folder)
    with _clear_errors(folder):
        found = fs.find(inner, detail=True)
    sizes = {name[len(inner) :].lstrip("/"): int(entry["size"]) for name, entry in found.items() if name.endswith(suffix)}
    return {name: sizes[name] for name in sorted(sizes) if name and _TEMPORARY not in name}


def list_files(folder: str, suffix: str = "") -> list[str]:
    """Paths of all files below a folder, relative to it and sorted. An absent folder holds none."""
    return list(list_sizes(folder, suffix))


def open_file(path: str):
    """A binary file-like object to read, closed by the caller. Raises InputError where it is missing."""
    fs, inner = filesystem(path)
    with _clear_errors(path):
        if fs.isdir(inner):
            raise IsADirectoryError(path)
        return fs.open(inner, "rb")


def read_bytes(path: str) -> bytes:
    """A whole file. Raises InputError where it is missing."""
    with open_file(path) as file, _clear_errors(path):
        return file.read()


def sha256(path: str) -> str:
    """Hex digest of a file's content."""
    digest = hashlib.sha256()
    with open_file(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextlib.contextmanager
def publish(path: str) -> Iterator[Path]:
    """A local file to write; it becomes `path` when the block ends well and vanishes when it does not."""
    fs, inner = filesystem(path)
    with _clear_errors(path):
        if is_remote(path):
            with tempfile.TemporaryDirectory() as folder:
                temporary = Path(folder) / "file"
                yield temporary
                fs.put_file(str(temporary), inner)
        else:
            target = Path(inner)
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}-{target.name}")
            try:
                yield temporary
                os.replace(temporary, target)
            finally:
                temporary.unlink(missing_ok=True)


def publish_bytes(path: str, content: bytes) -> None:
    """Writes a whole file atomically."""
    with publish(path) as temporary:
        temporary.write_bytes(content)


def publish_folder(local: Path, folder: str) -> None:
    """Copies each file below a local folder to the same name below `folder`, one atomic file after the other."""
    for source in sorted(p for p in local.rglob("*") if p.is_file()):
        with publish(join(folder, source.relative_to(local).as_posix())) as temporary:
            temporary.write_bytes(source.read_bytes())


def remove_file(path: str) -> None:
    """Deletes a file if it is there."""
    fs, inner = filesystem(path)
    with _clear_errors(path), contextlib.suppress(FileNotFoundError):
        fs.rm_file(inner)


def remove_folder(folder: str) -> None:
    """Deletes a folder and all below it, if it is there."""
    fs, inner = filesystem(folder)
    with _clear_errors(folder), contextlib.suppress(FileNotFoundError):
        fs.rm(inner, recursive=True)
