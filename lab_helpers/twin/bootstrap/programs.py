"""What runs in the control plane's static pods: the twin itself plays these parts, so their containers only say so
and stay up."""

from __future__ import annotations

import asyncio

from lab_helpers.twin.bootstrap.static_pods import COMPONENTS
from lab_helpers.twin.interfaces import Image, Process

__all__ = ["control_plane_images"]


async def _stay(process: Process) -> int:
    name = process.argv[0]
    await process.out(f"{name}: started; this part of the cluster is played by the twin's own process\n")
    process.ready()
    await asyncio.Event().wait()
    return 0


def control_plane_images() -> list[Image]:
    """Images for the runtime: etcd, kube-apiserver, kube-controller-manager, kube-scheduler."""
    return [
        Image(
            name=component.image.rpartition(":")[0],
            programs={component.name: _stay},
            entrypoint=(component.name,),
        )
        for component in COMPONENTS
    ]
