"""Pages that hold all they show, open with no network and run in any browser of these years.

A page is the page.html in a package's assets, where {{name}} stands for the file of that name in the same folder or, shared by
all pages, in this package's; {{plotly}} for the charts' script, {{data}} for what the page shows. Data goes in as JSON without
a '<' and reaches the reader as text alone.
"""

from __future__ import annotations

import json
from importlib import resources

from plotly.offline import get_plotlyjs


def render_page(package: str, data: dict) -> str:
    """The page of a package ('pose_diffusion.report') with data that JSON can hold: no NaN."""
    folders = [resources.files(name) / "assets" for name in (package, __package__)]
    # Split once by the marks: what is put in is never searched for marks again.
    pieces = (folders[0] / "page.html").read_text(encoding="utf-8").split("{{")
    text = [pieces[0]]
    for piece in pieces[1:]:
        name, _, rest = piece.partition("}}")
        if name == "data":
            made = _embedded(data)
        elif name == "plotly":
            made = get_plotlyjs()
        else:
            made = next(folder / name for folder in folders if (folder / name).is_file()).read_text(encoding="utf-8")
        text += [made, rest]
    return "".join(text)


def _embedded(data: dict) -> str:
    """JSON that no HTML parser reads as the end of the script, whatever the strings in it."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
