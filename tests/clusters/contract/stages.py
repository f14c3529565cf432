"""A small copy of the shop in namespaces of the suite's own: set up, waited for, taken down."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from lab_helpers.course import shopping
from lab_helpers.course.api import Api, Resource
from lab_helpers.course.staging import Waiting
from lab_helpers.course.workloads import Workload, is_ready, pods_of
from tests.clusters.contract.inventories import LABEL

T = TypeVar("T")


class Shop(NamedTuple):
    """``main`` has frontend, payments, backend and redis, ``dev`` the intruder."""

    main: str
    dev: str

    def workload(self, name: str) -> Workload:
        """A workload by the name it has in the story."""
        return Workload(self.dev if name == "intruder" else self.main, name)


def until(what: str, missing: Callable[[], str], *, seconds: float = 300.0) -> None:
    """Wait until nothing is missing."""
    Waiting(lambda _line: None).until(what, missing, seconds=seconds)


def eventually(look: Callable[[], T], good: Callable[[T], object] = bool, *, seconds: float = 120.0) -> T:
    """Look until it is good; the last sight, good or not, so that the caller's assertion shows it."""
    deadline, pause = time.monotonic() + seconds, 0.02
    while not good(seen := look()) and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)
    return seen


def set_up(api: Api, shop: Shop) -> Shop:
    """Apply everything and wait until it runs and Cilium has endpoints for it."""
    key, _, value = LABEL.partition("=")
    names = {"shop": shop.main, "dev": shop.dev}
    for resource in shopping.manifests():
        renamed = json.loads(json.dumps(resource))
        metadata = renamed["metadata"]
        if renamed["kind"] == "Namespace":
            metadata["name"], metadata["labels"] = names[metadata["name"]], {key: value}
            metadata.pop("annotations", None)
        else:
            metadata["namespace"] = names[metadata["namespace"]]
        api.apply(renamed)
    until("the suite's shop", lambda: _missing(api, shop))
    return shop


def take_down(api: Api, selector: str) -> None:
    """Delete the namespaces the suite made, and wait until they are gone."""
    for namespace in api.list("Namespace", selector=selector):
        api.delete("Namespace", namespace["metadata"]["name"])

    def left() -> str:
        return ", ".join(item["metadata"]["name"] for item in api.list("Namespace", selector=selector))

    until("the suite's namespaces to go", left)


def _missing(api: Api, shop: Shop) -> str:
    missing = []
    for name, count in (("frontend", 1), ("payments", 1), ("intruder", 1), ("redis", 1), ("backend", 2)):
        pods = pods_of(api, shop.workload(name))
        if len(pods) != count or not all(_settled(api, pod) for pod in pods):
            missing.append(name)
    return ", ".join(missing)


def _settled(api: Api, pod: Resource) -> bool:
    endpoint = api.get("CiliumEndpoint", pod["metadata"]["name"], pod["metadata"]["namespace"])
    return is_ready(pod) and endpoint is not None and bool(endpoint.get("status", {}).get("identity"))
