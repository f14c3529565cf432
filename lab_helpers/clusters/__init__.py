"""Backends: where the cluster comes from. Above this package nobody knows which one it is.

``connect()`` gives the :class:`Cluster` in use; ``start_twin(home)`` a private embedded one.
"""

from lab_helpers.clusters.cluster import Cluster
from lab_helpers.clusters.connecting import connect, renew, start_twin, up
from lab_helpers.clusters.errors import AlreadyRunning, ClusterError, NotRunning, StartFailed, Unsupported
from lab_helpers.clusters.homes import Home, default_home

__all__ = [
    "AlreadyRunning",
    "Cluster",
    "ClusterError",
    "Home",
    "NotRunning",
    "StartFailed",
    "Unsupported",
    "connect",
    "default_home",
    "renew",
    "start_twin",
    "up",
]
