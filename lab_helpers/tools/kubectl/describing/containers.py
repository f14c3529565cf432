"""Containers, volumes and tolerations, of pods and of pod templates."""

from collections.abc import Mapping, Sequence
from typing import Any

from lab_helpers.tools.kubectl.describing.pages import Page
from lab_helpers.tools.kubectl.describing.quantities import canonical
from lab_helpers.tools.kubectl.output.ages import long_time

Body = Mapping[str, Any]


def _ports(container: Body, key: str) -> str:
    return ", ".join(f"{port.get(key) or 0}/{port.get('protocol', 'TCP')}" for port in container.get("ports") or [])


def _counted(name: str, text: str) -> str:
    return f"{name}s:\t{text}" if "," in text else f"{name}:\t{text or '<none>'}"


def containers(
    page: Page, title: str, items: Sequence[Body], statuses: Sequence[Body], pod: Body | None, space: str = ""
) -> None:
    """A section of containers; `pod` resolves field references, `space` is deeper indentation inside templates."""
    by_name = {status["name"]: status for status in statuses}
    page.line(0, f"{space}{title}:" if items else f"{space}{title}: <none>")
    for container in items:
        status = by_name.get(container["name"])
        page.line(1, f"{' ' if space else ''}{container['name']}:")
        if status is not None:
            page.line(2, f"Container ID:\t{status.get('containerID', '')}")
        page.line(2, f"Image:\t{container.get('image', '')}")
        if status is not None:
            page.line(2, f"Image ID:\t{status.get('imageID', '')}")
        page.line(2, _counted("Port", _ports(container, "containerPort")))
        page.line(2, _counted("Host Port", _ports(container, "hostPort")))
        for name in ("Command", "Args"):
            words = container.get(name.lower()) or []
            if words:
                page.line(2, f"{name}:")
                for word in words:
                    for part in str(word).split("\n"):
                        page.line(3, part)
        if status is not None:
            _state(page, "State", status.get("state") or {})
            if (status.get("lastState") or {}).get("terminated"):
                _state(page, "Last State", status["lastState"])
            page.line(2, f"Ready:\t{'True' if status.get('ready') else 'False'}")
            page.line(2, f"Restart Count:\t{status.get('restartCount', 0)}")
        _resources(page, container.get("resources") or {})
        for name in ("liveness", "readiness", "startup"):
            probe = container.get(f"{name}Probe")
            if probe:
                page.line(2, f"{name.capitalize()}:\t{_probe(probe)}")
        _environment(page, container, pod)
        _mounts(page, container)


def _state(page: Page, title: str, state: Body) -> None:
    if state.get("running") is not None:
        page.line(2, f"{title}:\tRunning")
        page.line(3, f"Started:\t{long_time(state['running'].get('startedAt'))}")
    elif state.get("terminated") is not None:
        ended = state["terminated"]
        page.line(2, f"{title}:\tTerminated")
        for name in ("reason", "message"):
            if ended.get(name):
                page.line(3, f"{name.capitalize()}:\t{ended[name]}")
        page.line(3, f"Exit Code:\t{ended.get('exitCode', 0)}")
        if ended.get("signal"):
            page.line(3, f"Signal:\t{ended['signal']}")
        page.line(3, f"Started:\t{long_time(ended.get('startedAt'))}")
        page.line(3, f"Finished:\t{long_time(ended.get('finishedAt'))}")
    else:
        page.line(2, f"{title}:\tWaiting")
        if (state.get("waiting") or {}).get("reason"):
            page.line(3, f"Reason:\t{state['waiting']['reason']}")


def _resources(page: Page, resources: Body) -> None:
    for name in ("limits", "requests"):
        amounts = resources.get(name) or {}
        if amounts:
            page.line(2, f"{name.capitalize()}:")
            for key in sorted(amounts):
                page.line(3, f"{key}:\t{canonical(amounts[key])}")


def _probe(probe: Body) -> str:
    numbers = (
        f"delay={probe.get('initialDelaySeconds', 0)}s timeout={probe.get('timeoutSeconds', 1)}s "
        f"period={probe.get('periodSeconds', 10)}s #success={probe.get('successThreshold', 1)} "
        f"#failure={probe.get('failureThreshold', 3)}"
    )
    if probe.get("exec"):
        return f"exec [{' '.join(probe['exec'].get('command') or [])}] {numbers}"
    if probe.get("httpGet"):
        get = probe["httpGet"]
        path = get.get("path") or ""
        if path and not path.startswith("/"):
            path = f"/{path}"
        return f"http-get {get.get('scheme', 'HTTP').lower()}://{get.get('host', '')}:{get.get('port')}{path} {numbers}"
    if probe.get("tcpSocket"):
        return f"tcp-socket {probe['tcpSocket'].get('host', '')}:{probe['tcpSocket'].get('port')} {numbers}"
    if probe.get("grpc"):
        return f"grpc <pod>:{probe['grpc'].get('port')} {probe['grpc'].get('service') or ''} {numbers}"
    return f"unknown {numbers}"


def _field(pod: Body | None, path: str) -> str:
    """A field reference's value, as far as describe resolves it."""
    if pod is None:
        return ""
    meta = pod["metadata"]
    if path in ("metadata.name", "metadata.namespace", "metadata.uid"):
        return str(meta.get(path.removeprefix("metadata."), ""))
    for name in ("labels", "annotations"):
        if path == f"metadata.{name}":
            return "\n".join(f'{key}="{value}"' for key, value in sorted((meta.get(name) or {}).items()))
        if path.startswith(f"metadata.{name}['"):
            return str((meta.get(name) or {}).get(path.split("'")[1], ""))
    return ""


def _environment(page: Page, container: Body, pod: Body | None) -> None:
    sources = container.get("envFrom") or []
    if sources:
        page.line(2, "Environment Variables from:")
        for source in sources:
            kind, key = ("ConfigMap", "configMapRef") if source.get("configMapRef") else ("Secret", "secretRef")
            found = source.get(key) or {}
            prefix = f" with prefix '{source['prefix']}'" if source.get("prefix") else ""
            optional = "true" if found.get("optional") else "false"
            page.line(3, f"{found.get('name', '')}\t{kind}{prefix}\tOptional: {optional}")
    variables = container.get("env") or []
    if not variables:
        page.line(2, "Environment:\t<none>")
        return
    page.line(2, "Environment:")
    for item in variables:
        name, source = item["name"], item.get("valueFrom")
        if not source:
            for index, part in enumerate(str(item.get("value", "")).split("\n")):
                page.line(3, f"{name if index == 0 else ''}{':' if index == 0 else ''}\t{part}")
        elif source.get("fieldRef"):
            ref = source["fieldRef"]
            value = _field(pod, ref.get("fieldPath", ""))
            page.line(3, f"{name}:\t{value} ({ref.get('apiVersion', 'v1')}:{ref.get('fieldPath')})")
        elif source.get("resourceFieldRef"):
            page.line(3, f"{name}:\t0 ({source['resourceFieldRef'].get('resource')})")
        else:
            key, where = (
                ("secretKeyRef", "in secret") if source.get("secretKeyRef") else ("configMapKeyRef", "of config map")
            )
            ref = source.get(key) or {}
            optional = "true" if ref.get("optional") else "false"
            page.line(
                3, f"{name}:\t<set to the key '{ref.get('key')}' {where} '{ref.get('name')}'>\tOptional: {optional}"
            )


def _mounts(page: Page, container: Body) -> None:
    mounts = sorted(container.get("volumeMounts") or [], key=lambda mount: str(mount.get("mountPath")))
    if not mounts:
        page.line(2, "Mounts:\t<none>")
        return
    page.line(2, "Mounts:")
    for mount in mounts:
        flags = ["ro" if mount.get("readOnly") else "rw"]
        if mount.get("subPath"):
            flags.append(f'path="{mount["subPath"]}"')
        page.line(3, f"{mount.get('mountPath')} from {mount.get('name')} ({','.join(flags)})")


_VOLUMES: Mapping[str, tuple[str, Sequence[tuple[str, str, Any]]]] = {
    "hostPath": ("HostPath (bare host directory volume)", [("Path", "path", ""), ("HostPathType", "type", "")]),
    "emptyDir": (
        "EmptyDir (a temporary directory that shares a pod's lifetime)",
        [("Medium", "medium", ""), ("SizeLimit", "sizeLimit", "<unset>")],
    ),
    "secret": (
        "Secret (a volume populated by a Secret)",
        [("SecretName", "secretName", ""), ("Optional", "optional", False)],
    ),
    "configMap": (
        "ConfigMap (a volume populated by a ConfigMap)",
        [("Name", "name", ""), ("Optional", "optional", False)],
    ),
    "persistentVolumeClaim": (
        "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        [("ClaimName", "claimName", ""), ("ReadOnly", "readOnly", False)],
    ),
}


def _go(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def volumes(page: Page, items: Sequence[Body], space: str = "") -> None:
    """The volumes section."""
    if not items:
        page.line(0, f"{space}Volumes:\t<none>")
        return
    page.line(0, f"{space}Volumes:")
    for volume in items:
        page.line(1, f"{' ' if space else ''}{volume['name']}:")
        kind = next((name for name in _VOLUMES if volume.get(name) is not None), "")
        if kind:
            about, fields = _VOLUMES[kind]
            page.line(2, f"Type:\t{about}")
            for title, key, default in fields:
                page.line(2, f"{title}:\t{_go(volume[kind].get(key, default))}")
        elif volume.get("projected") is not None:
            _projected(page, volume["projected"])
        elif volume.get("downwardAPI") is not None:
            page.line(2, "Type:\tDownwardAPI (a volume populated by information about the pod)")
            page.line(2, "Items:")
            for item in volume["downwardAPI"].get("items") or []:
                if item.get("fieldRef"):
                    page.line(3, f"{item['fieldRef'].get('fieldPath')} -> {item.get('path')}")
        elif volume.get("csi") is not None:
            page.line(2, "Type:\tCSI (a Container Storage Interface (CSI) volume source)")
            page.line(2, f"Driver:\t{volume['csi'].get('driver', '')}")
        else:
            page.line(2, "Type:\t<unknown>")


def _projected(page: Page, projected: Body) -> None:
    page.line(2, "Type:\tProjected (a volume that contains injected data from multiple sources)")
    for source in projected.get("sources") or []:
        if source.get("secret") is not None:
            page.line(2, f"SecretName:\t{source['secret'].get('name', '')}")
            page.line(2, f"Optional:\t{_go(source['secret'].get('optional', False))}")
        elif source.get("downwardAPI") is not None:
            page.line(2, "DownwardAPI:\ttrue")
        elif source.get("configMap") is not None:
            page.line(2, f"ConfigMapName:\t{source['configMap'].get('name', '')}")
            page.line(2, f"ConfigMapOptional:\t{_go(source['configMap'].get('optional', '<nil>'))}")
        elif source.get("serviceAccountToken") is not None:
            page.line(2, f"TokenExpirationSeconds:\t{source['serviceAccountToken'].get('expirationSeconds', 3600)}")


def tolerations(page: Page, title: str, items: Sequence[Body]) -> None:
    """Tolerations below each other, by key."""
    if not items:
        page.line(0, f"{title}:\t<none>")
        return
    for index, item in enumerate(sorted(items, key=lambda one: str(one.get("key", "")))):
        text = str(item.get("key", ""))
        if item.get("value"):
            text += f"={item['value']}"
        if item.get("effect"):
            text += f":{item['effect']}"
        if item.get("operator") == "Exists" and not item.get("value"):
            text += " op=Exists" if text else "op=Exists"
        if item.get("tolerationSeconds") is not None:
            text += f" for {item['tolerationSeconds']}s"
        page.line(0, f"{title}:\t{text}" if index == 0 else f"\t{text}")


def spread_constraints(page: Page, items: Sequence[Body], space: str = "") -> None:
    """Topology spread constraints, if there are any."""
    from lab_helpers.tools.kubectl.describing.pages import selector_text

    for index, item in enumerate(sorted(items, key=lambda one: str(one.get("topologyKey")))):
        head = f"{space}Topology Spread Constraints:\t" if index == 0 else "\t"
        text = (
            f"{item.get('topologyKey')}:{item.get('whenUnsatisfiable')} when max skew {item.get('maxSkew')} is exceeded"
        )
        if item.get("labelSelector"):
            text += f" for selector {selector_text(item['labelSelector'])}"
        page.line(0, head + text)


def template(page: Page, body: Body) -> None:
    """A pod template."""
    meta, spec = body.get("metadata") or {}, body.get("spec") or {}
    page.line(0, "Pod Template:")
    page.labels("  Labels", meta.get("labels"))
    if meta.get("annotations"):
        page.annotations("  Annotations", meta["annotations"])
    if spec.get("serviceAccountName"):
        page.line(0, f"  Service Account:\t{spec['serviceAccountName']}")
    if spec.get("initContainers"):
        containers(page, "Init Containers", spec["initContainers"], [], None, "  ")
    containers(page, "Containers", spec.get("containers") or [], [], None, "  ")
    volumes(page, spec.get("volumes") or [], "  ")
    spread_constraints(page, spec.get("topologySpreadConstraints") or [], "  ")
    if spec.get("priorityClassName"):
        page.line(0, f"  Priority Class Name:\t{spec['priorityClassName']}")
    page.labels("  Node-Selectors", spec.get("nodeSelector"))
    tolerations(page, "  Tolerations", spec.get("tolerations") or [])
