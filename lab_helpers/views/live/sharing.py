"""What all views of one cluster in this process share, such as its follower: made once, for whoever asks first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from lab_helpers.clusters import Cluster, Home, connect

__all__ = ["PerCluster"]

_T = TypeVar("_T")


class PerCluster(Generic[_T]):
    """``make(find)`` makes the object of a cluster; ``find()`` connects to it anew, wherever it came back."""

    def __init__(self, make: Callable[[Callable[[], Cluster]], _T]) -> None:
        self._make = make
        self._made: dict[tuple[str, str], _T] = {}
        self._guard = threading.Lock()

    def of(self, cluster: Cluster) -> _T:
        """The one of this cluster. Safe to call from any thread."""
        key = (str(cluster.state_dir), cluster.context)
        with self._guard:
            if key not in self._made:
                home = Home(cluster.state_dir)
                self._made[key] = self._make(lambda: connect(home))
            return self._made[key]
