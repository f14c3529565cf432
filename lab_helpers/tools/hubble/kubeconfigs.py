"""Which API server a kubeconfig means and how to prove who asks, as far as ``--port-forward`` needs it.

Order as in client-go: the file given, KUBECONFIG (the first file that exists), ~/.kube/config; with none of them
http://localhost:8080. Credentials: client certificate, token, user name and password; commands that fetch credentials
("exec") and proxies are refused with an error.
"""

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_helpers.tools.goflags import ExitError


@dataclass(frozen=True, slots=True)
class Cluster:
    """An API server's address and credentials; PEM texts are bytes, empty where unset."""

    server: str = "http://localhost:8080"
    ca: bytes = b""
    certificate: bytes = b""
    key: bytes = b""
    authorization: str = ""
    server_name: str = ""
    verify: bool = True


class KubeconfigError(ExitError):
    """A kubeconfig that cannot be used."""


def load(path: str, context: str, environ: Any) -> Cluster:
    """The cluster of a kubeconfig's context ("" means the current one)."""
    file = _find(path, environ)
    if file is None:
        return Cluster()
    import yaml

    try:
        document = yaml.load(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader
    except (OSError, yaml.YAMLError) as error:
        raise KubeconfigError(f'error loading config file "{file}": {error}') from None
    config = document if isinstance(document, dict) else {}
    name = context or config.get("current-context") or ""
    chosen = _named(config, "contexts", name, "context")
    if chosen is None:
        if name:
            raise KubeconfigError(f'context "{name}" does not exist')
        return Cluster()
    cluster = _named(config, "clusters", chosen.get("cluster", ""), "cluster") or {}
    user = _named(config, "users", chosen.get("user", ""), "user") or {}
    return _cluster(cluster, user, file)


def _find(path: str, environ: Any) -> Path | None:
    if path:
        if not Path(path).exists():
            raise KubeconfigError(f"stat {path}: no such file or directory")
        return Path(path)
    listed = environ.get("KUBECONFIG", "")
    if listed:
        candidates = [Path(entry) for entry in listed.split(os.pathsep) if entry]
    else:
        home = environ.get("HOME") or environ.get("USERPROFILE") or ""
        candidates = [Path(home) / ".kube" / "config"] if home else []
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _named(config: dict[str, Any], group: str, name: str, key: str) -> dict[str, Any] | None:
    for entry in config.get(group) or []:
        if entry.get("name") == name:
            found = entry.get(key)
            return found if isinstance(found, dict) else {}
    return None


def _pem(entry: dict[str, Any], name: str, file: Path) -> bytes:
    data = entry.get(f"{name}-data")
    if data:
        return base64.b64decode(data)
    path = entry.get(name)
    if not path:
        return b""
    full = Path(path) if Path(path).is_absolute() else file.parent / path
    try:
        return full.read_bytes()
    except OSError:
        raise KubeconfigError(f"unable to read {name} {full}") from None


def _cluster(cluster: dict[str, Any], user: dict[str, Any], file: Path) -> Cluster:
    if user.get("exec") or user.get("auth-provider"):
        raise KubeconfigError(
            f"{file}: the user's credentials come from a command, which this hubble does not run; forward the port "
            "otherwise (kubectl -n kube-system port-forward svc/hubble-relay 4245:80) and use --server"
        )
    if cluster.get("proxy-url"):
        raise KubeconfigError(f"{file}: proxy-url is not supported with --port-forward")
    token = user.get("token") or ""
    if not token and user.get("tokenFile"):
        token = Path(user["tokenFile"]).read_text(encoding="utf-8").strip()
    authorization = f"Bearer {token}" if token else ""
    if not token and user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    return Cluster(
        server=str(cluster.get("server") or "http://localhost:8080").rstrip("/"),
        ca=_pem(cluster, "certificate-authority", file),
        certificate=_pem(user, "client-certificate", file),
        key=_pem(user, "client-key", file),
        authorization=authorization,
        server_name=str(cluster.get("tls-server-name") or ""),
        verify=not cluster.get("insecure-skip-tls-verify"),
    )
