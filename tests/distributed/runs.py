"""What a training run has written so far."""

from __future__ import annotations

import json
from pathlib import Path


def history(output: Path) -> list[dict]:
    """The entries of metrics.jsonl; none before the first epoch."""
    path = output / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
