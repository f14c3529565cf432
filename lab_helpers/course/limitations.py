"""What cannot be decided on one kind of cluster, and why: the whole list.

Everything else of the course behaves alike on all of them; ``tests/clusters/contract`` holds them to that. A lab's card
and the page of a run name the limitations of that lab, and the contract suite skips by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["LIMITATIONS", "Limitation", "limitation", "limitations", "undecidable", "without_consent"]


@dataclass(frozen=True, slots=True)
class Limitation:
    """``what`` cannot be decided on ``backends``, in the labs with these numbers; ``instead`` says what to do.

    ``whole`` means that such a lab cannot be run there at all: an unattended run passes over it and says why.
    """

    what: str
    backends: frozenset[str]
    labs: tuple[str, ...]
    why: str
    instead: str
    whole: bool = False

    def __str__(self) -> str:
        return f"{self.what}: {self.why}; {self.instead}"


_REAL: Final = frozenset({"kind", "existing"})
_YOURS: Final = frozenset({"existing"})
_TWIN: Final = frozenset({"twin"})

LIMITATIONS: Final[Mapping[str, Limitation]] = {
    "bare": Limitation(
        "installing, configuring and repairing Cilium",
        _YOURS,
        ("02", "07"),
        "the course never installs, changes or removes Cilium in a cluster that is not its own",
        "run this lab on the twin or on kind",
        whole=True,
    ),
    "clusterwide": Limitation(
        "a policy for the whole cluster",
        _YOURS,
        ("04",),
        "it would change more than the labs' namespaces, so it is applied with your consent only",
        "cilium-labs up --backend existing --cluster-wide gives it",
    ),
    "time": Limitation(
        "hours within a second",
        _REAL,
        ("06", "07"),
        "only the twin's clock can be moved",
        "here lab.wait() takes as long as it says",
    ),
    "outside": Limitation(
        "which addresses names outside have, and for how long",
        _YOURS,
        ("06", "07"),
        "api.stripe.com and the others are served by your network here, not by the course",
        "expect other addresses and TTLs, or none without a way to the internet",
    ),
    "older": Limitation(
        "Kafka policies",
        _REAL,
        ("13",),
        "they ended with Cilium 1.19, and the brokers of the lab are simulated",
        "run this lab on the twin, which plays 1.19 as well",
        whole=True,
    ),
    "cost": Limitation(
        "what a packet costs in nanoseconds",
        _TWIN,
        ("01",),
        "the twin has no kernel; rules walked are counted, not timed",
        "run this lab on Linux for times",
    ),
}


def limitation(key: str) -> Limitation:
    """By its key. Raises KeyError for a key that is not in the list."""
    return LIMITATIONS[key]


def limitations(lab: str, backend: str) -> list[Limitation]:
    """Those of the lab with this number ("06") on this backend."""
    return [item for item in LIMITATIONS.values() if backend in item.backends and lab in item.labs]


def without_consent(backend: str, *, cluster_wide: bool) -> frozenset[str]:
    """The keys of what stays undecided on a cluster of ``backend`` until its owner allows changes to all of it."""
    asked = not cluster_wide and backend in LIMITATIONS["clusterwide"].backends
    return frozenset({"clusterwide"} if asked else ())


def undecidable(lab: str, backend: str) -> str:
    """Why the whole lab cannot be run on this backend; empty when it can."""
    return "; ".join(str(item) for item in limitations(lab, backend) if item.whole)
