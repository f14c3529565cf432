"""Nodes."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from lab_helpers.tools.kubectl.describing.pages import Page, created
from lab_helpers.tools.kubectl.describing.quantities import binary, canonical, cpu_text, memory_text, parse
from lab_helpers.tools.kubectl.output.ages import age, long_time

Body = Mapping[str, Any]

_ROLE = "node-role.kubernetes.io/"


def _roles(node: Body) -> str:
    labels = node["metadata"].get("labels") or {}
    roles = {key.removeprefix(_ROLE) for key in labels if key.startswith(_ROLE)}
    roles |= {str(value) for key, value in labels.items() if key == "kubernetes.io/role" and value}
    return ",".join(sorted(role for role in roles if role)) or "<none>"


def node(page: Page, body: Body, lease: Body | str, pods: Sequence[Body] | None) -> None:
    """A Node; `lease` is its Lease or why there is none; `pods` are those on it that have not ended (None: they cannot
    be read).
    """
    spec, status = body.get("spec") or {}, body.get("status") or {}
    page.head(body, namespace=False)
    page.line(0, f"Roles:\t{_roles(body)}")
    page.tags(body)
    page.line(0, f"CreationTimestamp:\t{created(body)}")
    _taints(page, spec.get("taints") or [])
    page.line(0, f"Unschedulable:\t{'true' if spec.get('unschedulable') else 'false'}")
    _lease(page, lease)
    if status.get("conditions"):
        page.line(0, "Conditions:")
        page.line(1, "Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage")
        page.line(1, "----\t------\t-----------------\t------------------\t------\t-------")
        for item in status["conditions"]:
            page.line(
                1,
                f"{item.get('type')} \t{item.get('status')} \t{long_time(item.get('lastHeartbeatTime'))} \t"
                f"{long_time(item.get('lastTransitionTime'))} \t{item.get('reason', '')} \t{item.get('message', '')}",
            )
    page.line(0, "Addresses:")
    for address in status.get("addresses") or []:
        page.line(1, f"{address.get('type')}:\t{address.get('address')}")
    for title in ("Capacity", "Allocatable"):
        amounts = status.get(title.lower()) or {}
        if amounts:
            page.line(0, f"{title}:")
            for key in sorted(amounts):
                page.line(1, f"{key}:\t{canonical(amounts[key])}")
    _system(page, status.get("nodeInfo") or {})
    if spec.get("podCIDR"):
        page.line(0, f"PodCIDR:\t{spec['podCIDR']}")
    if spec.get("podCIDRs"):
        page.line(0, f"PodCIDRs:\t{','.join(spec['podCIDRs'])}")
    if spec.get("providerID"):
        page.line(0, f"ProviderID:\t{spec['providerID']}")
    if pods is None:
        page.line(0, "Pods:\tnot authorized")
    else:
        _load(page, pods, status.get("allocatable") or status.get("capacity") or {})


def _lease(page: Page, lease: Body | str) -> None:
    if isinstance(lease, str):
        page.line(0, f"Lease:\tFailed to get lease: {lease}")
        return
    spec = lease.get("spec") or {}
    page.line(0, "Lease:")
    page.line(1, f"HolderIdentity:\t{spec.get('holderIdentity', '<unset>')}")
    for title, key in (("AcquireTime", "acquireTime"), ("RenewTime", "renewTime")):
        page.line(1, f"{title}:\t{long_time(spec.get(key)) or '<unset>'}")


def _taints(page: Page, taints: Sequence[Body]) -> None:
    texts = sorted(
        (f"{item['key']}={item['value']}:{item['effect']}" if item.get("value") else f"{item['key']}:{item['effect']}")
        for item in taints
    )
    order = {"NoExecute": 0, "NoSchedule": 1, "PreferNoSchedule": 2}
    texts.sort(key=lambda text: order.get(text.rpartition(":")[2], 3))
    page.line(0, f"Taints:\t{texts[0] if texts else '<none>'}")
    for text in texts[1:]:
        page.line(0, f"\t{text}")


def _system(page: Page, info: Body) -> None:
    page.line(0, "System Info:")
    for title, key in (
        ("Machine ID", "machineID"),
        ("System UUID", "systemUUID"),
        ("Boot ID", "bootID"),
        ("Kernel Version", "kernelVersion"),
        ("OS Image", "osImage"),
        ("Operating System", "operatingSystem"),
        ("Architecture", "architecture"),
        ("Container Runtime Version", "containerRuntimeVersion"),
        ("Kubelet Version", "kubeletVersion"),
        ("Kube-Proxy Version", "kubeProxyVersion"),
    ):
        page.line(1, f"{title}:\t{info.get(key, '')}")


def _amounts(pod: Body, kind: str) -> dict[str, Fraction]:
    """A pod's requests or limits: the sum of its containers, or its largest init container."""
    spec = pod["spec"]
    out: dict[str, Fraction] = {}
    for container in spec.get("containers") or []:
        for key, value in ((container.get("resources") or {}).get(kind) or {}).items():
            out[key] = out.get(key, Fraction(0)) + parse(value)
    for container in spec.get("initContainers") or []:
        for key, value in ((container.get("resources") or {}).get(kind) or {}).items():
            out[key] = max(out.get(key, Fraction(0)), parse(value))
    return out


def _share(amount: Fraction, whole: Fraction) -> str:
    return f"{int(amount * 100 / whole) if whole else 0}%"


def _text(resource: str, amount: Fraction, *, powers_of_two: bool) -> str:
    return cpu_text(amount) if resource == "cpu" else memory_text(amount, powers_of_two=powers_of_two)


def _load(page: Page, pods: Sequence[Body], allocatable: Body) -> None:
    page.line(0, f"Non-terminated Pods:\t({len(pods)} in total)")
    page.line(1, "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge")
    page.line(1, "---------\t----\t\t------------\t----------\t---------------\t-------------\t---")
    whole = {key: parse(value) for key, value in allocatable.items()}
    totals: dict[tuple[str, str], Fraction] = {}
    twos = {"memory": True, "ephemeral-storage": True}
    for pod in pods:
        cells = [pod["metadata"].get("namespace", ""), pod["metadata"]["name"], ""]
        for resource in ("cpu", "memory"):
            for kind in ("requests", "limits"):
                amount = _amounts(pod, kind).get(resource, Fraction(0))
                cells.append(
                    f"{_text(resource, amount, powers_of_two=True)} "
                    f"({_share(amount, whole.get(resource, Fraction(0)))})"
                )
        cells.append(age(pod["metadata"].get("creationTimestamp")))
        page.line(1, "\t".join(cells))
        for kind in ("requests", "limits"):
            for resource, amount in _amounts(pod, kind).items():
                totals[resource, kind] = totals.get((resource, kind), Fraction(0)) + amount
            for container in pod["spec"].get("containers") or []:
                for resource, value in ((container.get("resources") or {}).get(kind) or {}).items():
                    twos[resource] = twos.get(resource, False) or binary(value)
    page.line(0, "Allocated resources:")
    page.line(1, "(Total limits may be over 100 percent, i.e., overcommitted.)")
    page.line(1, "Resource\tRequests\tLimits")
    page.line(1, "--------\t--------\t------")
    shown = ["cpu", "memory", "ephemeral-storage"]
    shown += sorted(name for name in whole if name.startswith("hugepages-"))
    for resource in shown:
        cells = [resource]
        for kind in ("requests", "limits"):
            amount = totals.get((resource, kind), Fraction(0))
            text = _text(resource, amount, powers_of_two=twos.get(resource, True))
            cells.append(f"{text} ({_share(amount, whole.get(resource, Fraction(0)))})")
        page.line(1, "\t".join(cells))
