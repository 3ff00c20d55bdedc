"""The dashboard shows the metrics that the jobs export, all of them and no others."""

from __future__ import annotations

import json
import re

from pose_diffusion.distributed.cluster.prometheus import EXPORTED


def test_the_queries_name_exactly_the_exported_metrics(folder):
    dashboard = json.loads((folder / "grafana.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    named = {name for query in queries for name in re.findall(r"\bray_\w+", query)}
    assert named == set(EXPORTED)


def test_panels_do_not_overlap(folder):
    places = [panel["gridPos"] for panel in json.loads((folder / "grafana.json").read_text())["panels"]]
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24
