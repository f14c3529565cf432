"""Time as a lab needs it: the twin's clock jumps, a real cluster is waited for.

::

    clock_of(cluster)          how far the twin's clock is ahead
    wait(cluster, 70, say=…)   70 seconds later, whichever cluster it is
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lab_helpers.clusters.errors import ClusterError, Unsupported
from lab_helpers.clusters.upgrading import authorization

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

    from lab_helpers.clusters.cluster import Cluster

__all__ = ["Waited", "clock_of", "move_clock", "wait"]

_PATH: Final = "/twin/clock"
_STEP: Final = 1.0
LONGEST: Final = 4 * 3600.0


class Waited(NamedTuple):
    """``seconds`` of the cluster's time have passed; ``jumped`` says whether its clock was moved instead of waiting."""

    seconds: float
    jumped: bool


class TwinClock(NamedTuple):
    """``now`` is RFC 3339 in UTC, ``ahead`` the seconds by which it is ahead of this machine."""

    now: str
    ahead: float


def clock_of(cluster: Cluster) -> TwinClock:
    """The twin's clock. Raises Unsupported where time cannot be moved, ClusterError when the twin does not answer."""
    return _clock(_ask(cluster, "GET"))


def move_clock(cluster: Cluster, seconds: float, *, client: ApiClient | None = None) -> TwinClock:
    """Move the twin's clock; everything due on the way has happened when this returns. Raises as ``clock_of``."""
    if not 0 <= seconds <= LONGEST:
        raise ClusterError(
            f"the clock moves forward by at most 4 h at a time, not by {seconds:g} s", try_="cilium-labs clock +70s"
        )
    return _clock(_ask(cluster, "POST", {"advance": seconds}, client=client))


def wait(
    cluster: Cluster,
    seconds: float,
    *,
    progress: Callable[[float], None] = lambda _left: None,
    sleep: Callable[[float], None] = time.sleep,
    client: ApiClient | None = None,
) -> Waited:
    """Return when ``seconds`` of the cluster's time have passed. ``progress(seconds left)`` is told about once a
    second where that means waiting. ``client`` is one of this cluster's, for those who wait often.
    """
    if cluster.backend == "twin":
        move_clock(cluster, seconds, client=client)
        return Waited(seconds, jumped=True)
    left = seconds
    while left > 0:
        progress(left)
        step = min(left, _STEP)
        sleep(step)
        left -= step
    progress(0.0)
    return Waited(seconds, jumped=False)


def _clock(answer: Mapping[str, Any]) -> TwinClock:
    return TwinClock(str(answer["now"]), float(answer["ahead"]))


def _ask(
    cluster: Cluster, method: str, body: Mapping[str, Any] | None = None, *, client: ApiClient | None = None
) -> Mapping[str, Any]:
    if cluster.backend != "twin":
        raise Unsupported(
            "only the twin's clock can be moved", where=cluster.name, try_="wait, or run the lab on the twin"
        )
    with contextlib.nullcontext(client) if client is not None else cluster.api() as api:
        configuration, pool = api.configuration, api.rest_client.pool_manager
        headers = {**authorization(configuration), "content-type": "application/json"}
        payload = json.dumps(body).encode() if body is not None else None
        try:
            answer = pool.request(
                method, configuration.host + _PATH, headers=headers, body=payload, timeout=600.0, retries=False
            )
        except Exception as error:
            raise ClusterError(
                f"the twin does not answer: {error}", where=configuration.host, try_="cilium-labs status"
            ) from error
    try:
        found: Mapping[str, Any] = json.loads(answer.data)
    except ValueError:
        found = {"message": "this is not the clock of a twin"}
    if answer.status != 200:
        raise ClusterError(
            str(found.get("message", answer.status)), where=configuration.host + _PATH, try_="cilium-labs status"
        )
    return found
