"""``kubectl describe``: finds objects, gathers what belongs to them, and writes their pages."""

from collections.abc import Callable
from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.choosing import selector_text
from lab_helpers.tools.kubectl.describing.pages import Page
from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.options import add_file_flags
from lab_helpers.tools.kubectl.selecting import Found, check_words, items_of, selectors, wanted
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest import ApiError, NoResourceError, Resource, kubectl_text

Body = dict[str, Any]
_PREFIX = "found by the beginning of its name"


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "describe (-f FILENAME | TYPE [NAME_PREFIX | -l label] | TYPE/NAME)",
        short="Details of objects and their events",
        example="""# A pod: containers, conditions, events
kubectl describe pod frontend -n shop

# Pods whose names begin so
kubectl describe pods frontend -n shop

# A policy
kubectl describe cnp backend-allow-frontend -n shop

# Every node
kubectl describe nodes""",
        run=run,
    )
    flags = command.flags
    flags.bool("all-namespaces", False, "In every namespace", "A")
    flags.number("chunk-size", 500, "How many objects to fetch at a time; 0: all", kind="int64")
    add_file_flags(flags)
    flags.string("selector", "", "Only objects whose labels match", "l")
    flags.bool("show-events", True, "With the events of each object")
    return command


def run(invocation: Invocation) -> int:
    """Do it."""
    session = Session(invocation)
    if not session.args and not session.flags["filename"] and not session.flags["kustomize"]:
        raise KubectlError(
            'You must specify the type of resource to describe. Use "kubectl api-resources" for a complete list of '
            "supported "
            "resources."
        )
    found, errors = _found(session)
    for index, item in enumerate(found):
        text = page_text(session, item)
        session.out.write(f"{text}\n" if item.source == _PREFIX else ("\n\n" if index else "") + text)
    for error in errors:
        session.complain(kubectl_text(error))
    if not found and not errors:
        session.complain(
            "No resources found" if session.everywhere else f"No resources found in {session.namespace} namespace."
        )
    return 1 if errors else 0


def _found(session: Session) -> tuple[list[Found], list[ApiError]]:
    if session.flags["filename"] or session.flags["kustomize"]:
        from lab_helpers.tools.kubectl.selecting import find

        return find(session, []), []
    check_words(session, session.args)
    out: list[Found] = []
    errors: list[ApiError] = []
    for want in wanted(session, session.args):
        namespace = session.namespace if want.resource.namespaced and not session.everywhere else ""
        if not want.names:
            try:
                listing = session.client.list_all(want.resource.path(namespace), selectors(session))
            except ApiError as error:
                errors.append(error)
                continue
            out += [_as_found(want.resource, item) for item in items_of(listing, want.resource)]
        for name in want.names:
            try:
                out.append(_as_found(want.resource, session.client.get(want.resource.path(namespace, name))))
            except ApiError as error:
                like = _beginning(session, want.resource, namespace, name) if error.reason == "NotFound" else []
                out += like
                if not like:
                    errors.append(error)
    return out, errors


def _as_found(resource: Resource, body: Body) -> Found:
    return Found(resource, str(body["metadata"].get("namespace") or ""), str(body["metadata"]["name"]), body)


def _beginning(session: Session, resource: Resource, namespace: str, prefix: str) -> list[Found]:
    """Objects whose names begin with `prefix`."""
    if any("/" in word for word in session.args):
        return []
    items = items_of(session.client.list_all(resource.path(namespace)), resource)
    return [
        _as_found(resource, item)._replace(source=_PREFIX)
        for item in items
        if item["metadata"]["name"].startswith(prefix)
    ]


def page_text(session: Session, item: Found) -> str:
    """The page of one object."""
    body = item.body or {}
    page = Page()
    writer = _WRITERS.get((item.resource.group, item.resource.kind))
    if writer is None:
        from lab_helpers.tools.kubectl.describing import general

        general.describe(page, body)
    else:
        writer(session, page, body)
    if item.resource.kind not in _WITHOUT_EVENTS or writer is None:
        page.events(events_of(session, item) if session.flags["show-events"] else None)
    return page.text()


def events_of(session: Session, item: Found) -> list[Body]:
    """The events about an object."""
    meta = (item.body or {}).get("metadata") or {}
    fields = {"involvedObject.name": item.name, "involvedObject.namespace": item.namespace}
    fields["involvedObject.kind"] = item.resource.kind
    if item.resource.kind != "Node":
        mirrored = (meta.get("annotations") or {}).get("kubernetes.io/config.mirror")
        fields["involvedObject.uid"] = str(mirrored or meta.get("uid", ""))
    query = {"fieldSelector": ",".join(f"{key}={value}" for key, value in fields.items())}
    try:
        resource = session.catalogue.find("events")
        listing = session.client.list_all(resource.path(item.namespace), query)
    except (ApiError, NoResourceError):
        return []
    return list(listing.get("items") or [])


def _owned(session: Session, word: str, body: Body) -> list[Body]:
    """Objects of a type in the same namespace that `body` controls."""
    resource = session.catalogue.find(word)
    query = {"labelSelector": selector_text(body["spec"].get("selector") or {})}
    items = items_of(session.client.list_all(resource.path(body["metadata"]["namespace"]), query), resource)
    uid = body["metadata"].get("uid")
    return [
        item
        for item in items
        if any(
            owner.get("uid") == uid and owner.get("controller")
            for owner in item["metadata"].get("ownerReferences") or []
        )
    ]


def _pod(_session: Session, page: Page, body: Body) -> None:
    from lab_helpers.tools.kubectl.describing import pods

    pods.describe(page, body)


def _workload(session: Session, page: Page, body: Body) -> None:
    from lab_helpers.tools.kubectl.describing import workloads

    kind = body["kind"]
    if kind == "Deployment":
        workloads.deployment(page, body, _owned(session, "replicasets.apps", body))
    elif kind == "Job":
        workloads.job(page, body)
    else:
        write = {
            "ReplicaSet": workloads.replicaset,
            "DaemonSet": workloads.daemonset,
            "StatefulSet": workloads.statefulset,
        }
        write[kind](page, body, _owned(session, "pods", body))


def _service(session: Session, page: Page, body: Body) -> None:
    from lab_helpers.tools.kubectl.describing import services

    resource = session.catalogue.find("endpointslices.discovery.k8s.io")
    meta = body["metadata"]
    query = {"labelSelector": f"kubernetes.io/service-name={meta['name']}"}
    services.service(page, body, items_of(session.client.list_all(resource.path(meta["namespace"]), query), resource))


def _node(session: Session, page: Page, body: Body) -> None:
    from lab_helpers.tools.kubectl.describing import nodes

    name = body["metadata"]["name"]
    lease: Body | str
    try:
        lease = session.client.get(f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}")
    except ApiError as error:
        lease = str(error)
    pods = session.catalogue.find("pods")
    query = {"fieldSelector": f"spec.nodeName={name},status.phase!=Failed,status.phase!=Succeeded"}
    try:
        on_it: list[Body] | None = items_of(session.client.list_all(pods.path(), query), pods)
    except ApiError as error:
        if error.code != 403:
            raise
        on_it = None
    nodes.node(page, body, lease, on_it)


def _policy(_session: Session, page: Page, body: Body) -> None:
    from lab_helpers.tools.kubectl.describing import policies

    policies.network_policy(page, body)


def _setting(_session: Session, page: Page, body: Body) -> None:
    from lab_helpers.tools.kubectl.describing import settings

    write = {
        "ConfigMap": settings.configmap,
        "Secret": settings.secret,
        "ServiceAccount": settings.service_account,
    }
    write[body["kind"]](page, body)


def _namespace(session: Session, page: Page, body: Body) -> None:
    from lab_helpers.tools.kubectl.describing import settings

    found: list[list[Body] | None] = []
    for word in ("resourcequotas", "limitranges"):
        try:
            resource = session.catalogue.find(word)
            found.append(items_of(session.client.list_all(resource.path(body["metadata"]["name"])), resource))
        except (ApiError, NoResourceError):
            found.append(None)
    settings.namespace(page, body, found[0], found[1])


_WRITERS: dict[tuple[str, str], Callable[[Session, Page, Body], None]] = {
    ("", "Pod"): _pod,
    ("apps", "Deployment"): _workload,
    ("apps", "ReplicaSet"): _workload,
    ("apps", "DaemonSet"): _workload,
    ("apps", "StatefulSet"): _workload,
    ("batch", "Job"): _workload,
    ("", "Service"): _service,
    ("", "Node"): _node,
    ("networking.k8s.io", "NetworkPolicy"): _policy,
    ("", "Namespace"): _namespace,
    ("", "ConfigMap"): _setting,
    ("", "Secret"): _setting,
    ("", "ServiceAccount"): _setting,
}
_WITHOUT_EVENTS = frozenset({"Namespace", "Secret", "NetworkPolicy"})
