"""Validation of pod specs, in pods and in templates (Kubernetes pkg/apis/core/validation)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab_helpers.twin.api.admission.names import (
    check_annotations,
    check_labels,
    dns_label,
    dns_subdomain,
    environment_name,
    port_name,
)
from lab_helpers.twin.api.admission.problems import Problems
from lab_helpers.twin.api.admission.quantities import quantity

__all__ = ["check_ephemeral_update", "check_pod_spec", "check_pod_update", "check_template"]

Item = Mapping[str, Any]

_RANGE = "must be between 1 and 65535, inclusive"
_MUTABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")


def check_template(template: Item, field: str, problems: Problems) -> None:
    """A pod template of a workload."""
    metadata = template.get("metadata") or {}
    check_labels(metadata.get("labels") or {}, f"{field}.labels", problems)
    check_annotations(metadata.get("annotations") or {}, f"{field}.annotations", problems)
    check_pod_spec(template.get("spec") or {}, f"{field}.spec", problems)


def check_pod_spec(spec: Item, field: str, problems: Problems) -> None:
    """Containers, volumes and policies of a pod spec."""
    volumes = _volumes(spec.get("volumes") or (), f"{field}.volumes", problems)
    names: set[str] = set()
    containers = spec.get("containers") or ()
    if not containers:
        problems.required(f"{field}.containers")
    for group in ("containers", "initContainers"):
        for position, container in enumerate(spec.get(group) or ()):
            place = f"{field}.{group}[{position}]"
            _container(container, place, volumes, problems)
            name = container.get("name", "")
            if name and name in names:
                problems.duplicate(f"{place}.name", name)
            names.add(name)
    if spec.get("ephemeralContainers"):
        why = "cannot be set on create"
        problems.forbidden(f"{field}.ephemeralContainers", why)
    _one_of(spec, "restartPolicy", ("Always", "OnFailure", "Never"), field, problems)
    _one_of(spec, "dnsPolicy", ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"), field, problems)
    if spec.get("serviceAccountName"):
        for why in dns_subdomain(spec["serviceAccountName"]):
            problems.invalid(f"{field}.serviceAccountName", spec["serviceAccountName"], why)
    if (spec.get("activeDeadlineSeconds") or 1) < 1:
        problems.invalid(
            f"{field}.activeDeadlineSeconds",
            spec["activeDeadlineSeconds"],
            "must be between 1 and 2147483647, inclusive",
        )
    check_labels(spec.get("nodeSelector") or {}, f"{field}.nodeSelector", problems)
    _tolerations(spec.get("tolerations") or (), f"{field}.tolerations", problems)


def _container(container: Item, field: str, volumes: set[str], problems: Problems) -> None:
    name = container.get("name", "")
    if not name:
        problems.required(f"{field}.name")
    for why in dns_label(name) if name else ():
        problems.invalid(f"{field}.name", name, why)
    image = container.get("image", "")
    if not image:
        problems.required(f"{field}.image")
    elif image != image.strip():
        problems.invalid(f"{field}.image", image, "must not have leading or trailing whitespace")
    _ports(container.get("ports") or (), f"{field}.ports", problems)
    _environment(container, field, problems)
    _mounts(container.get("volumeMounts") or (), f"{field}.volumeMounts", volumes, problems)
    _one_of(container, "imagePullPolicy", ("Always", "IfNotPresent", "Never"), field, problems)
    _resources(container.get("resources") or {}, f"{field}.resources", problems)
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe in container:
            _probe(container[probe], f"{field}.{probe}", problems)


def _ports(ports: Sequence[Item], field: str, problems: Problems) -> None:
    names: set[str] = set()
    for position, port in enumerate(ports):
        place = f"{field}[{position}]"
        if name := port.get("name"):
            for why in port_name(name):
                problems.invalid(f"{place}.name", name, why)
            if name in names:
                problems.duplicate(f"{place}.name", name)
            names.add(name)
        if not port.get("containerPort"):
            problems.required(f"{place}.containerPort")
        elif not 1 <= port["containerPort"] <= 65535:
            problems.invalid(f"{place}.containerPort", port["containerPort"], _RANGE)
        if port.get("hostPort") and not 1 <= port["hostPort"] <= 65535:
            problems.invalid(f"{place}.hostPort", port["hostPort"], _RANGE)
        _one_of(port, "protocol", ("SCTP", "TCP", "UDP"), place, problems)


def _environment(container: Item, field: str, problems: Problems) -> None:
    for position, variable in enumerate(container.get("env") or ()):
        place = f"{field}.env[{position}]"
        name = variable.get("name", "")
        if not name:
            problems.required(f"{place}.name")
        else:
            for why in environment_name(name):
                problems.invalid(f"{place}.name", name, why)
        source = variable.get("valueFrom")
        if source is not None:
            if not source:
                problems.invalid(
                    f"{place}.valueFrom",
                    "",
                    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
                )
            if variable.get("value"):
                problems.invalid(f"{place}.valueFrom", "", "may not be specified when `value` is not empty")
            for kind in ("configMapKeyRef", "secretKeyRef"):
                if kind in source:
                    for key in ("name", "key"):
                        if not source[kind].get(key):
                            problems.required(f"{place}.valueFrom.{kind}.{key}")


def _mounts(mounts: Sequence[Item], field: str, volumes: set[str], problems: Problems) -> None:
    paths: set[str] = set()
    for position, mount in enumerate(mounts):
        place = f"{field}[{position}]"
        name, path = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            problems.required(f"{place}.name")
        elif name not in volumes:
            problems.not_found(f"{place}.name", name)
        if not path:
            problems.required(f"{place}.mountPath")
        elif path in paths:
            problems.invalid(f"{place}.mountPath", path, "must be unique")
        paths.add(path)


def _volumes(volumes: Sequence[Item], field: str, problems: Problems) -> set[str]:
    names: set[str] = set()
    for position, volume in enumerate(volumes):
        place = f"{field}[{position}]"
        name = volume.get("name", "")
        if not name:
            problems.required(f"{place}.name")
        else:
            for why in dns_label(name):
                problems.invalid(f"{place}.name", name, why)
            if name in names:
                problems.duplicate(f"{place}.name", name)
            names.add(name)
        sources = [key for key in volume if key != "name"]
        if not sources:
            problems.required(place, "must specify a volume type")
        for source in sources[1:]:
            problems.forbidden(f"{place}.{source}", "may not specify more than 1 volume type")
        if "configMap" in volume and not volume["configMap"].get("name"):
            problems.required(f"{place}.configMap.name")
        if "secret" in volume and not volume["secret"].get("secretName"):
            problems.required(f"{place}.secret.secretName")
        if "hostPath" in volume and not volume["hostPath"].get("path"):
            problems.required(f"{place}.hostPath.path")
    return names


def _resources(resources: Item, field: str, problems: Problems) -> None:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for group, values in (("limits", limits), ("requests", requests)):
        for name, value in values.items():
            if quantity(value) < 0:
                problems.invalid(f"{field}.{group}[{name}]", value, "must be greater than or equal to 0")
    for name, value in requests.items():
        if name in limits and quantity(value) > quantity(limits[name]):
            problems.invalid(
                f"{field}.requests", value, f"must be less than or equal to {name} limit of {limits[name]}"
            )


def _probe(probe: Item, field: str, problems: Problems) -> None:
    handlers = [name for name in _HANDLERS if name in probe]
    if not handlers:
        problems.required(field, "must specify a handler type")
    for name in handlers[1:]:
        problems.forbidden(f"{field}.{name}", "may not specify more than 1 handler type")
    for name in handlers[:1]:
        if name == "exec":
            if not (probe[name] or {}).get("command"):
                problems.required(f"{field}.exec.command")
            continue
        port = (probe[name] or {}).get("port")
        if isinstance(port, int) and not 1 <= port <= 65535:
            problems.invalid(f"{field}.{name}.port", port, _RANGE)
        elif isinstance(port, str) or port is None:
            for why in port_name(port or ""):
                problems.invalid(f"{field}.{name}.port", port or "", why)
    for name in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        if (probe.get(name) or 0) < 0:
            problems.invalid(f"{field}.{name}", probe[name], "must be greater than or equal to 0")


def _tolerations(tolerations: Sequence[Item], field: str, problems: Problems) -> None:
    for position, toleration in enumerate(tolerations):
        place = f"{field}[{position}]"
        operator = toleration.get("operator", "Equal")
        if operator not in ("Equal", "Exists"):
            problems.unsupported(f"{place}.operator", operator, ("Equal", "Exists"))
        if operator == "Exists" and toleration.get("value"):
            problems.invalid(
                f"{place}.operator", toleration["value"], "value must be empty when `operator` is 'Exists'"
            )
        if not toleration.get("key") and operator != "Exists":
            problems.invalid(
                f"{place}.operator",
                operator,
                'operator must be Exists when `key` is empty, which means "match all values and all keys"',
            )
        effect = toleration.get("effect")
        if effect and effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
            problems.unsupported(f"{place}.effect", effect, ("NoSchedule", "PreferNoSchedule", "NoExecute"))


def _one_of(item: Item, name: str, supported: tuple[str, ...], field: str, problems: Problems) -> None:
    value = item.get(name)
    if value is not None and value not in supported:
        problems.unsupported(f"{field}.{name}", value, supported)


def check_pod_update(new: Item, old: Item, problems: Problems) -> None:
    """What may change in a pod that exists: images, its deadline, more tolerations."""
    before, after = _comparable(old["spec"]), _comparable(new["spec"])
    if before == after:
        kept = old["spec"].get("tolerations") or []
        if any(toleration not in (new["spec"].get("tolerations") or ()) for toleration in kept):
            problems.forbidden(
                "spec.tolerations", "existing toleration can not be modified except its tolerationSeconds"
            )
        return
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    lines = [f"  spec.{name} differs" for name in changed]
    problems.forbidden("spec", f"pod updates may not change fields other than {_MUTABLE}\n" + "\n".join(lines))


def check_ephemeral_update(new: Item, old: Item, problems: Problems) -> None:
    """What may change by the subresource ``ephemeralcontainers``: more of them, each with a name of its own."""
    field = "spec.ephemeralContainers"
    before, after = old["spec"].get("ephemeralContainers") or [], new["spec"].get("ephemeralContainers") or []
    kept = {container["name"]: container for container in after if container.get("name")}
    for container in before:
        if kept.get(container["name"]) != container:
            why = f"existing ephemeral containers {container['name']!r} may not be changed or removed"
            problems.forbidden(field, why.replace("'", '"'))
    others = {c["name"] for group in ("containers", "initContainers") for c in new["spec"].get(group) or ()}
    targets = {container["name"] for container in new["spec"]["containers"]}
    for position, container in enumerate(after):
        place = f"{field}[{position}]"
        _container(container, place, {volume["name"] for volume in new["spec"].get("volumes") or ()}, problems)
        if container.get("name") in others:
            problems.duplicate(f"{place}.name", container["name"])
        others.add(container.get("name", ""))
        for name in ("ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resources"):
            if container.get(name):
                problems.forbidden(f"{place}.{name}", "cannot be set for an Ephemeral Container")
        target = container.get("targetContainerName")
        if target and target not in targets:
            problems.not_found(f"{place}.targetContainerName", target)


def _comparable(spec: Item) -> dict[str, Any]:
    kept = {k: v for k, v in spec.items() if k not in ("activeDeadlineSeconds", "tolerations", "nodeName")}
    for group in ("containers", "initContainers"):
        if group in kept:
            kept[group] = [{k: v for k, v in c.items() if k != "image"} for c in kept[group]]
    return kept
