"""A real cluster on this machine: kind with the course's configuration, and a container that plays the internet.

::

    preflights    is this machine fit for it?
    configs       the kind configuration, checked against kind's types
    creating      up: step by step, repeatable
    outsides      what the outside container serves; outside_containers runs it; authorities signs for it
    corefiles     CoreDNS learns of it
    ciliums       Cilium by helm
    ledgers       what was made
    removing      down: exactly that
    engines       Docker, Podman
    failures      what their messages mean
"""

from lab_helpers.clusters.kind.creating import KindCluster
from lab_helpers.clusters.kind.errors import KindError
from lab_helpers.clusters.kind.removing import remove

__all__ = ["KindCluster", "KindError", "remove"]
