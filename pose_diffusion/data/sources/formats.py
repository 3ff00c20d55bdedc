"""The documentation's page of formats and joint layouts, made from the sources and layouts that there are.

python -m pose_diffusion.data.sources.formats > docs/formats.md
"""

from __future__ import annotations

from collections.abc import Sequence

from pose_diffusion.data.sources import SOURCES
from pose_diffusion.geometry.layouts import LAYOUTS

_HEAD = """# Formats

Made from the code by `python -m pose_diffusion.data.sources.formats > docs/formats.md`; do not edit.

`prepare.input=FOLDER_OR_FILE` is enough: `prepare.source=auto` tells the tool from the files, and says which and why.
`prepare.source=NAME` names it instead. Keys in the table below are of the section of that name, as `openpose.image_size`.
"""
_LAYOUTS_HEAD = """## Joint layouts

Values of the key `layout`. Each becomes Human3.6M's 17 joints; `pose_diffusion/geometry/layouts/` says how.
"""


def page() -> str:
    """The page as Markdown."""
    formats = [
        (f"`{name}`", row.tool, row.files, row.size, row.people, ", ".join(row.layouts))
        for name, module in SOURCES.items()
        for row in module.FORMATS
    ]
    layouts = [(f"`{layout.name}`", str(len(layout.joints)), layout.written_by, layout.source) for layout in LAYOUTS.values()]
    source = _table(("`prepare.source`", "written by", "what is read", "image size", "who is who", "joints"), formats)
    return "\n".join([_HEAD, source, _LAYOUTS_HEAD, _table(("layout", "joints", "written by", "described in"), layouts)])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    print(page(), end="")
