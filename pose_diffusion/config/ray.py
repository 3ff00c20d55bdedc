"""Which Ray cluster a job joins, or starts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pose_diffusion.config.section import Count, Section


class RayConfig(Section):
    address: str | None = None
    """Cluster to join; null joins the one that RAY_ADDRESS or `ray job submit` gives, else starts Ray here."""
    num_cpus: Count | None = None
    """CPUs of a Ray started here; null takes all."""
    cpu_label: Annotated[str, Field(pattern=r"^$|^[^=\s]+=[^=\s]+$")] = ""
    """Label of the nodes that prepare, read training shards and sum up, as name=value (role=cpu); without one, every node."""

    @property
    def cpu_selector(self) -> dict[str, str]:
        """ray.cpu_label as Ray's label selector."""
        return dict([self.cpu_label.split("=")]) if self.cpu_label else {}
