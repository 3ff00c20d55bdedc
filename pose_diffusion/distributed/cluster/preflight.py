"""What a job looks at before it begins: whether it reaches the places that it is to read and to write.

A missing bucket or a wrong key is told at once and in one line, not after an hour of work.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from pose_diffusion import storage
from pose_diffusion.config import Config
from pose_diffusion.errors import InputError

_SUBMITTED = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # Ray sets it for what `ray job submit` starts


def preflight(config: Config, sections: Sequence[str]) -> None:
    """Raises InputError for a place on S3 that the sections name and that cannot be reached or, an output, written, and for
    an output of a submitted job that lies in its working directory.
    """
    for key, path in _places(config, sections):
        is_output = key.endswith(".output")
        if storage.is_remote(path):
            try:
                storage.touch(path, write=is_output)
            except InputError as error:
                raise InputError(f"key '{key}': {error}") from None
        elif is_output and _SUBMITTED in os.environ and path.startswith(os.getcwd() + os.sep):
            relative = os.path.relpath(path)
            raise InputError(
                f"key '{key}': {relative} would be in the job's working directory, which Ray deletes: expected s3:// or an"
                " absolute path that all nodes share"
            )


def _places(config: Config, sections: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Key and path of every file or folder that the sections name."""
    for name in sections:
        section = getattr(config, name)
        for key in type(section).model_fields:
            value = getattr(section, key)
            for path in value if isinstance(value, list) else [value]:
                if isinstance(path, str) and (path.startswith("s3://") or os.path.isabs(path)):
                    yield f"{name}.{key}", path
