"""The control plane's controllers, the scheduler and the kubelets.

Each controller is a synchronous reconcile function over the registry, called by one work queue when something
changed or a delay of the clock is over. :class:`Manager` is the way in.
"""

from lab_helpers.twin.controllers.control_plane import Manager

__all__ = ["Manager"]
