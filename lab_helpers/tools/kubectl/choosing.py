"""Which pod ``deploy/x``, ``ds/x``, ``svc/x`` or ``job/x`` means, and which container of it (kubectl
polymorphichelpers, podutils).
"""

from typing import Any

from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.selecting import items_of
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest import Resource

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"

Pod = dict[str, Any]


def selector_text(selector: dict[str, Any]) -> str:
    """A LabelSelector (or a Service's plain mapping) as a query."""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for item in selector.get("matchExpressions") or []:
        key, operator, values = item["key"], item["operator"], ",".join(sorted(item.get("values") or []))
        parts.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }[operator]
        )
    return ",".join(parts)


def pods_of(session: Session, resource: Resource, body: dict[str, Any]) -> list[Pod]:
    """The pods an object selects; a pod itself. Raises KubectlError for kinds that select none."""
    if resource.kind == "Pod":
        return [body]
    spec = body.get("spec") or {}
    name = body["metadata"]["name"]
    if resource.kind == "Service":
        if not spec.get("selector"):
            raise KubectlError(f"invalid service '{name}': Service is defined without a selector")
        query = selector_text({"matchLabels": spec["selector"]})
    elif isinstance(spec.get("selector"), dict):
        chosen = spec["selector"]
        query = selector_text(
            chosen if "matchLabels" in chosen or "matchExpressions" in chosen else {"matchLabels": chosen}
        )
    else:
        raise KubectlError(f"cannot attach to *unstructured.Unstructured: selector for {resource.kind} not implemented")
    pods = session.catalogue.find("pods")
    listing = session.client.list_all(pods.path(body["metadata"]["namespace"]), {"labelSelector": query})
    return items_of(listing, pods)


def _activity(pod: Pod) -> tuple[Any, ...]:
    """Larger is better: on a node, running, ready, ready for longer, older."""
    status = pod.get("status") or {}
    ready: dict[str, Any] = next((item for item in status.get("conditions") or [] if item.get("type") == "Ready"), {})
    since = str(ready.get("lastTransitionTime") or "") if ready.get("status") == "True" else ""
    created = str(pod["metadata"].get("creationTimestamp") or "")
    return (
        (
            bool((pod.get("spec") or {}).get("nodeName")),
            _PHASES.get(str(status.get("phase")), 0),
            ready.get("status") == "True",
            _earlier(since),
        ),
        _restarts(pod),
        _earlier(created),
    )


def _earlier(moment: str) -> tuple[bool, tuple[int, ...]]:
    """A key that is larger for earlier moments and smallest for none."""
    return (bool(moment), tuple(-ord(char) for char in moment))


def _restarts(pod: Pod) -> int:
    return max(
        (int(item.get("restartCount") or 0) for item in (pod.get("status") or {}).get("containerStatuses") or []),
        default=0,
    )


def best_pod(pods: list[Pod], *, logs: bool = False) -> Pod:
    """The pod to attach to (or, for logs, the one with most restarts among equals)."""

    def key(pod: Pod) -> tuple[Any, ...]:
        state, restarts, created = _activity(pod)
        return (state, restarts if logs else -restarts, created)

    return max(pods, key=key)


def named(session: Session, word: str, default_type: str = "pods") -> tuple[Resource, dict[str, Any]]:
    """The object a ``NAME`` or ``TYPE/NAME`` word means."""
    kind, slash, name = word.partition("/")
    if not slash:
        kind, name = default_type, word
    if "/" in name:
        raise KubectlError("arguments in resource/name form may not have more than one slash")
    if not name:
        raise KubectlError("arguments in resource/name form must have a single resource and name")
    resource = session.catalogue.find(kind)
    body = session.client.get(resource.path(session.namespace if resource.namespaced else "", name))
    return resource, body


def pod_for(session: Session, word: str) -> Pod:
    """The pod to attach to for a word."""
    resource, body = named(session, word)
    pods = pods_of(session, resource, body)
    if not pods:
        raise KubectlError("timed out waiting for the condition")
    return best_pod(pods)


def containers_of(pod: Pod) -> list[str]:
    """Names of all containers, as the notice lists them: init ones marked."""
    spec = pod["spec"]
    out = [item["name"] for item in spec.get("containers") or []]
    out += [f"{item['name']} (ephem)" for item in spec.get("ephemeralContainers") or []]
    return out + [f"{item['name']} (init)" for item in spec.get("initContainers") or []]


def default_container(session: Session, pod: Pod, *, quiet: bool = False) -> str:
    """The container meant when none is named; says so when there were several."""
    containers = [item["name"] for item in pod["spec"].get("containers") or []]
    wanted = (pod["metadata"].get("annotations") or {}).get(_DEFAULT_CONTAINER)
    if wanted:
        if any(wanted == name.partition(" ")[0] for name in containers_of(pod)):
            return str(wanted)
        session.complain(f'Default container name "{wanted}" not found in pod {pod["metadata"]["name"]}')
    if len(containers_of(pod)) > 1 and not quiet:
        session.complain(f'Defaulted container "{containers[0]}" out of: {", ".join(containers_of(pod))}')
    return str(containers[0])
