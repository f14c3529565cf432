"""Subresources that are objects of their own: scale, binding, eviction, token, finalize."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from lab_helpers.twin.api.authenticating import ISSUER, Tokens
from lab_helpers.twin.api.bodies import decode_body
from lab_helpers.twin.api.calls import Call
from lab_helpers.twin.api.patching.json_patches import json_patch
from lab_helpers.twin.api.patching.merging import merge_patch
from lab_helpers.twin.api.requests import Target
from lab_helpers.twin.api.schemas.catalog import Catalog
from lab_helpers.twin.api.tables.formatting import label_selector_text
from lab_helpers.twin.clock import timestamp
from lab_helpers.twin.objects.errors import StatusError, bad_request, conflict, invalid, method_not_allowed
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.selectors import matches_selector
from lab_helpers.twin.objects.storage import Object

__all__ = ["Subresources"]

_SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


class Subresources:
    """Handles them by name; each handler returns the object to send."""

    def __init__(self, registry: Registry, catalog: Catalog, tokens: Tokens) -> None:
        self._registry = registry
        self._catalog = catalog
        self._tokens = tokens

    def handle(self, call: Call, target: Target) -> tuple[int, Object] | None:
        """Status code and object; None when there is no such subresource."""
        match (target.kind.resource, target.subresource):
            case (_, "scale") if target.kind.has_scale:
                return 200, self._scale(call, target)
            case ("pods", "binding"):
                return 201, self._bind(_create_only(call), target)
            case ("pods", "eviction"):
                return 201, self._evict(_create_only(call), target)
            case ("serviceaccounts", "token"):
                return 201, self._token(_create_only(call), target)
            case ("namespaces", "finalize"):
                if call.method != "PUT":
                    raise method_not_allowed()
                body = dict(decode_body(call.body, call.content_type))
                return 200, self._registry.update("namespaces", body, subresource="finalize", dry_run=call.dry_run)
            case ("pods", "resize"):
                why = "resize: containers have no resources in the twin that could change"
                raise StatusError(501, "NotImplemented", why)
        return None

    # --- scale ---

    def _scale(self, call: Call, target: Target) -> Object:
        resource = target.kind.resource
        current = self._registry.get(resource, target.name, target.namespace)
        paths = self._scale_paths(target)
        shown = _scale_of(current, paths)
        if call.method in ("GET", "HEAD"):
            return shown
        if call.method == "PUT":
            wanted = dict(decode_body(call.body, call.content_type))
        elif call.method == "PATCH":
            wanted = _patched(shown, call)
        else:
            raise method_not_allowed()
        replicas = (wanted.get("spec") or {}).get("replicas", 0)
        if not isinstance(replicas, int) or isinstance(replicas, bool):
            raise bad_request(
                'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal string into '
                "Go struct field ScaleSpec.spec.replicas of type int32"
            )
        if replicas < 0:
            why = f"Invalid value: {replicas}: must be greater than or equal to 0"
            raise invalid("Scale", "autoscaling", target.name, [("FieldValueInvalid", why, "spec.replicas")])
        given = (wanted.get("metadata") or {}).get("resourceVersion")
        if given and given != current["metadata"]["resourceVersion"]:
            why = "the object has been modified; please apply your changes to the latest version and try again"
            raise conflict(resource, target.name, why)
        changed = copy.deepcopy(current)
        _put(changed, paths["specReplicasPath"], replicas)
        stored = self._registry.update(
            resource,
            changed,
            subresource="scale",
            dry_run=call.dry_run,
            manager=call.manager,
            api_version=target.api_version,
        )
        return _scale_of(stored, paths)

    def _scale_paths(self, target: Target) -> Mapping[str, str]:
        built_in = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
        if not target.kind.custom:
            return built_in
        version = self._catalog.version(target.kind, target.version) or {}
        found: Mapping[str, str] = (version.get("subresources") or {}).get("scale") or {}
        return {**built_in, **found}

    # --- pods ---

    def bind(self, call: Call, namespace: str) -> Object:
        """``POST …/bindings``: the pod is named in the body."""
        body = decode_body(call.body, call.content_type)
        name = (body.get("metadata") or {}).get("name", "")
        return self._bind(call, Target(self._registry.kinds["pods"], "v1", namespace, name, "binding"))

    def _bind(self, call: Call, target: Target) -> Object:
        body = decode_body(call.body, call.content_type)
        node = (body.get("target") or {}).get("name", "")
        if not node:
            raise invalid("Binding", "", target.name, [("FieldValueRequired", "Required value", "target.name")])
        pod = self._registry.draft("pods", target.name, target.namespace)
        if pod["spec"].get("nodeName"):
            why = f'pod {target.name} is already assigned to node "{pod["spec"]["nodeName"]}"'
            raise conflict("pods/binding", target.name, why)
        pod["spec"]["nodeName"] = node
        self._registry.update("pods", pod, dry_run=call.dry_run)
        return dict(_SUCCESS)

    def _evict(self, call: Call, target: Target) -> Object:
        body = decode_body(call.body, call.content_type)
        pod = self._registry.get("pods", target.name, target.namespace)
        labels = pod["metadata"].get("labels") or {}
        for budget in self._registry.list("poddisruptionbudgets.policy", target.namespace):
            if not matches_selector(budget["spec"].get("selector"), labels):
                continue
            if (budget.get("status") or {}).get("disruptionsAllowed", 0) < 1:
                name = budget["metadata"]["name"]
                needed, healthy = _needed(budget), _healthy(budget)
                why = f"The disruption budget {name} needs {needed} healthy pods and has {healthy} currently"
                causes = [{"reason": "DisruptionBudget", "message": why}]
                message = "Cannot evict pod as it would violate the pod's disruption budget."
                raise StatusError(429, "TooManyRequests", message, {"causes": causes})
        grace = (body.get("deleteOptions") or {}).get("gracePeriodSeconds")
        dry_run = call.dry_run or "All" in ((body.get("deleteOptions") or {}).get("dryRun") or ())
        self._registry.delete("pods", target.name, target.namespace, grace=grace, dry_run=dry_run)
        return dict(_SUCCESS)

    # --- service accounts ---

    def _token(self, call: Call, target: Target) -> Object:
        body = decode_body(call.body, call.content_type)
        account = self._registry.get("serviceaccounts", target.name, target.namespace)
        spec = body.get("spec") or {}
        seconds, clock = spec.get("expirationSeconds", 3600), self._registry.clock
        if seconds < 600:
            why = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
            causes = [("FieldValueInvalid", why, "spec.expirationSeconds")]
            raise invalid("TokenRequest", "authentication.k8s.io", target.name, causes)
        audiences = spec.get("audiences") or [ISSUER]
        token = self._tokens.mint(account, audiences, clock.now(), seconds)
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {
                "name": target.name,
                "namespace": target.namespace,
                "creationTimestamp": clock.timestamp(),
            },
            "spec": {
                "audiences": audiences,
                "expirationSeconds": seconds,
                "boundObjectRef": spec.get("boundObjectRef"),
            },
            "status": {"token": token, "expirationTimestamp": timestamp(clock.now() + timedelta(seconds=seconds))},
        }


def _create_only(call: Call) -> Call:
    if call.method != "POST":
        raise method_not_allowed()
    return call


def _needed(budget: Mapping[str, Any]) -> int:
    return int((budget.get("status") or {}).get("desiredHealthy", 0))


def _healthy(budget: Mapping[str, Any]) -> int:
    return int((budget.get("status") or {}).get("currentHealthy", 0))


def _patched(shown: Object, call: Call) -> Object:
    if call.content_type == "application/json-patch+json":
        return json_patch(shown, call.body)
    try:
        patch = json.loads(call.body)
    except ValueError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    merged: Object = merge_patch(shown, patch)
    return merged


def _scale_of(item: Object, paths: Mapping[str, str]) -> Object:
    metadata = item["metadata"]
    status: dict[str, Any] = {"replicas": _get(item, paths["statusReplicasPath"]) or 0}
    selector = (item.get("spec") or {}).get("selector")
    if "labelSelectorPath" in paths:
        status["selector"] = _get(item, paths["labelSelectorPath"]) or ""
    elif selector:
        status["selector"] = label_selector_text(selector)
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": {"replicas": _get(item, paths["specReplicasPath"]) or 0},
        "status": status,
    }


def _get(item: Any, path: str) -> Any:
    for name in path.strip(".").split("."):
        item = item.get(name) if isinstance(item, Mapping) else None
    return item


def _put(item: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.strip(".").split(".")
    for name in parents:
        item = item.setdefault(name, {})
    item[last] = value
