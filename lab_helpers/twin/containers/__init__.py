"""Simulated containers: a runtime, images, a shell, and programs that never leave the twin."""

from __future__ import annotations

from lab_helpers.twin.containers.images import ImageCatalogue
from lab_helpers.twin.containers.runtime import Runtime

__all__ = ["ImageCatalogue", "Runtime"]
