"""What the sections have in common: strict and frozen, with the text under a key as its sentence; and the types of keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from pose_diffusion import storage

Precision = Literal["float32", "tf32", "bf16"]
Count = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0)]


def _location(path: str, info: ValidationInfo) -> str:
    """Relative paths are below the root that the command line gave, else below the working directory, and made absolute:
    Ray's workers have working directories of their own."""
    return storage.absolute(path, (info.context or {}).get("root", ""))


def _workers(value: object) -> object:
    """One number or [least, most]; one message for both kinds of mistake."""
    least, most = value if isinstance(value, list | tuple) and len(value) == 2 else (value, value)
    if type(least) is not int or type(most) is not int or not 1 <= least <= most:
        raise ValueError("expected a number of at least 1, or a range [least, most]")
    return least if least == most else (least, most)


# A file or folder, local or s3://.
Location = Annotated[str, AfterValidator(_location)]
Workers = Annotated[int | tuple[int, int], BeforeValidator(_workers)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True)
