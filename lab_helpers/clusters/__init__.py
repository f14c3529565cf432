"""Backends: where the cluster comes from. Above this package nobody knows which one it is.

``connect()`` gives the :class:`Cluster` in use; ``start_twin(home)`` a private embedded one.

What is where:

- a cluster in use: ``cluster``, found or brought up by ``connecting``; time on it (``waiting``); what goes wrong:
  ``errors``
- its protocols: ``clients`` and ``documents`` (REST), ``executing`` and ``upgrading`` (commands, WebSockets),
  ``relaying`` (Hubble Relay); what the policy engine is asked about: ``policy_inputs``
- backends: ``twins``, ``kind``, ``existing``; the real programs: ``tools``
- on this machine: ``homes``, ``environments``, and what a preflight finds (``findings``)
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
