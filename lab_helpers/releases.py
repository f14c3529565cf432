"""The Cilium the course is about. A cluster, a lab or a learner may name another one."""

from __future__ import annotations

from typing import Final

__all__ = ["CILIUM_VERSION"]

CILIUM_VERSION: Final = "1.20.2"
"""What is installed when nobody names a version."""
