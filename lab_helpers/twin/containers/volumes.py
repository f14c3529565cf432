"""A container's file system: the image, the pod's volumes, and the files the kubelet writes (/etc/hosts,
/etc/resolv.conf …)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab_helpers.twin.clock import Clock
from lab_helpers.twin.containers.environments import data_of, downward
from lab_helpers.twin.containers.errors import StartFailure
from lab_helpers.twin.containers.files import File, FileSystem, LiveTree, Tree
from lab_helpers.twin.objects.registry import Registry

__all__ = ["Volumes", "build_files", "hosts_file", "resolv_conf"]

_SHARED = frozenset({"emptyDir", "hostPath", "persistentVolumeClaim", "ephemeral", "csi", "nfs"})


class Volumes:
    """The volumes of one pod; its containers share them. ``node_trees`` keeps hostPath directories per node."""

    def __init__(self, registry: Registry, pod: Mapping[str, Any], ip: str, node_trees: dict[str, Tree]) -> None:
        self._registry = registry
        self._pod = pod
        self._ip = ip
        self._node_trees = node_trees
        self._trees: dict[str, Tree] = {}

    def tree(self, name: str) -> Tree:
        """The content of the volume. Raises StartFailure when it cannot be set up."""
        if name not in self._trees:
            spec = next((one for one in self._pod["spec"].get("volumes") or [] if one["name"] == name), None)
            if spec is None:
                raise StartFailure(
                    "CreateContainerConfigError", f"volume {name!r} of the mount is not defined in the pod"
                )
            self._trees[name] = self._make(name, spec)
        return self._trees[name]

    def _make(self, name: str, spec: Mapping[str, Any]) -> Tree:
        kind = next((field for field in spec if field != "name"), "emptyDir")
        if kind in ("configMap", "secret", "projected", "downwardAPI"):
            sources = spec[kind].get("sources") or [] if kind == "projected" else [{kind: spec[kind]}]
            source = self._source(sources)
            try:
                source()
            except KeyError as error:
                raise StartFailure(
                    "ContainerCreating", f'MountVolume.SetUp failed for volume "{name}" : {error.args[0]}'
                ) from None
            return LiveTree(source)
        if kind == "hostPath":
            path = spec["hostPath"]["path"]
            return self._node_trees.setdefault(path, Tree())
        if kind in _SHARED:
            return Tree()
        raise StartFailure(
            "ContainerCreating", f'MountVolume.SetUp failed for volume "{name}" : {kind} volumes are not simulated'
        )

    def _source(self, sources: Sequence[Mapping[str, Any]]) -> Callable[[], Mapping[str, bytes]]:
        def read() -> Mapping[str, bytes]:
            result: dict[str, bytes] = {}
            for one in sources:
                kind, spec = next(iter(one.items()))
                result |= self._one(kind, spec)
            return result

        return read

    def _one(self, kind: str, spec: Mapping[str, Any]) -> Mapping[str, bytes]:
        namespace = self._pod["metadata"]["namespace"]
        if kind in ("configMap", "secret"):
            name = spec.get("secretName") or spec.get("name", "")
            found = self._registry.find("configmaps" if kind == "configMap" else "secrets", name, namespace)
            if found is None:
                if spec.get("optional"):
                    return {}
                raise KeyError(f'{kind.lower()} "{name}" not found')
            data = data_of(found)
            items = spec.get("items")
            if not items:
                return data
            missing = [item["key"] for item in items if item["key"] not in data]
            if missing and not spec.get("optional"):
                raise KeyError(f"{kind.lower()} references non-existent config key: {missing[0]}")
            return {item["path"]: data[item["key"]] for item in items if item["key"] in data}
        if kind == "downwardAPI":
            metadata = self._pod["metadata"]
            pod = self._registry.find("pods", metadata["name"], metadata["namespace"]) or self._pod
            return {
                item["path"]: downward(pod, item["fieldRef"]["fieldPath"], ip=self._ip).encode("utf-8")
                for item in spec.get("items") or []
                if "fieldRef" in item
            }
        if kind == "serviceAccountToken":
            return {spec.get("path", "token"): f"simulated-token-of-{self._pod['metadata']['uid']}".encode()}
        return {}


def hosts_file(pod: Mapping[str, Any], ip: str) -> bytes:
    """/etc/hosts as the kubelet writes it."""
    spec = pod["spec"]
    if spec.get("hostNetwork"):
        lines = [
            "# Kubernetes-managed hosts file (host network).",
            "127.0.0.1\tlocalhost",
            f"{ip}\t{spec.get('nodeName', '')}",
        ]
    else:
        name = spec.get("hostname") or pod["metadata"]["name"]
        if spec.get("subdomain"):
            name = f"{name}.{spec['subdomain']}.{pod['metadata']['namespace']}.svc.cluster.local\t{name}"
        lines = [
            "# Kubernetes-managed hosts file.",
            "127.0.0.1\tlocalhost",
            "::1\tlocalhost ip6-localhost ip6-loopback",
            "fe00::0\tip6-localnet",
            "fe00::0\tip6-mcastprefix",
            "fe00::1\tip6-allnodes",
            "fe00::2\tip6-allrouters",
            f"{ip}\t{name}",
        ]
    aliases = spec.get("hostAliases") or []
    if aliases:
        lines += ["", "# Entries added by HostAliases."]
        lines += [f"{alias['ip']}\t" + "\t".join(alias.get("hostnames") or []) for alias in aliases]
    return ("\n".join(lines) + "\n").encode("utf-8")


def resolv_conf(pod: Mapping[str, Any], *, cluster_dns: str, upstream: Sequence[str]) -> bytes:
    """/etc/resolv.conf by ``dnsPolicy`` and ``dnsConfig``. Host-network pods need ClusterFirstWithHostNet to use the
    cluster's DNS."""
    spec = pod["spec"]
    policy = spec.get("dnsPolicy", "ClusterFirst")
    cluster = policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not spec.get("hostNetwork"))
    servers: list[str] = []
    search: list[str] = []
    options: dict[str, str] = {}
    if cluster:
        servers = [cluster_dns]
        search = [f"{pod['metadata']['namespace']}.svc.cluster.local", "svc.cluster.local", "cluster.local"]
        options = {"ndots": "5"}
    elif policy != "None":
        servers = list(upstream)
        options = {"ndots": "0"}
    given = spec.get("dnsConfig") or {}
    servers = list(dict.fromkeys([*servers, *(given.get("nameservers") or [])]))[:3]
    search = list(dict.fromkeys([*search, *(given.get("searches") or [])]))
    for option in given.get("options") or []:
        options[option["name"]] = option.get("value") or ""
    lines = [f"search {' '.join(search)}"] if search else []
    lines += [f"nameserver {server}" for server in servers]
    if options:
        lines.append("options " + " ".join(f"{name}:{value}" if value else name for name, value in options.items()))
    return ("\n".join(lines) + "\n").encode("utf-8")


def build_files(
    *,
    image_files: Mapping[str, bytes],
    container: Mapping[str, Any],
    volumes: Volumes,
    system_files: Mapping[str, bytes],
    clock: Clock,
    cwd: str,
) -> FileSystem:
    """Everything mounted. Raises StartFailure."""
    root = Tree({path: content for path, content in image_files.items() if not path.endswith("/")})
    root.directories |= {path.strip("/") for path in image_files if path.endswith("/")}
    root.directories |= {
        "tmp",
        "etc",
        "dev",
        "proc",
        "root",
        "var",
        "usr",
        "bin",
        "home",
        "srv",
        "opt",
        "run",
        "mnt",
        "sys",
        cwd.strip("/"),
    }
    for path, content in system_files.items():
        root.put(path.strip("/"), File(bytearray(content), modified=clock.now()))
    files = FileSystem(root, clock.now)
    for mount in sorted(container.get("volumeMounts") or [], key=lambda one: len(one["mountPath"])):
        files.mount(
            mount["mountPath"],
            volumes.tree(mount["name"]),
            sub_path=mount.get("subPath", ""),
            read_only=bool(mount.get("readOnly")),
        )
    return files
