"""Simulated containers: a runtime, images, a shell, and programs that never leave the twin.

What is where:

- the runtime: ``runtime`` of all nodes, ``running`` one container over its restarts, ``probing``, ``executing``,
  ``attaching``, ``logs``
- images: ``images``, the course's ``catalogue``
- inside a container: ``machines``, ``processes``, ``environments``, ``files`` and ``volumes``, ``streams``,
  ``sockets``, ``terminals``
- programs by topic: ``programs``, with the ``shell``; what they speak: ``http``, ``kafka``; what they share:
  ``formatting``, ``regexes``, ``strerror``, ``timing``, ``errors``
"""

from __future__ import annotations

from lab_helpers.twin.containers.images import ImageCatalogue
from lab_helpers.twin.containers.runtime import Runtime

__all__ = ["ImageCatalogue", "Runtime"]
