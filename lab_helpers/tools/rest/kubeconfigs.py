"""Kubeconfig files: found, merged and resolved as client-go's clientcmd does it.

A merged file is a plain dictionary in the file's own form (clusters, users, contexts as lists of {name, …}); a `Target`
is what a connection needs: server, trust and credentials.
"""

import base64
import binascii
import os
from typing import Any, NamedTuple

from lab_helpers.tools.rest.errors import ConfigError

_SECTIONS = (("clusters", "cluster"), ("contexts", "context"), ("users", "user"))
_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


class Overrides(NamedTuple):
    """Command-line options that stand above the kubeconfig; "" means not given."""

    kubeconfig: str = ""
    context: str = ""
    cluster: str = ""
    user: str = ""
    namespace: str = ""
    server: str = ""
    token: str = ""
    certificate_authority: str = ""
    client_certificate: str = ""
    client_key: str = ""
    tls_server_name: str = ""
    insecure: bool = False


class Target(NamedTuple):
    """A server and how to talk to it. `ca`, `certificate` and `key` are PEM bytes (b"": none)."""

    server: str
    namespace: str = "default"
    ca: bytes = b""
    insecure: bool = False
    server_name: str = ""
    token: str = ""
    username: str = ""
    password: str = ""
    certificate: bytes = b""
    key: bytes = b""
    context: str = ""


def files(explicit: str = "") -> list[str]:
    """The files that are read, in order of precedence."""
    if explicit:
        return [explicit]
    listed = [name for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    return listed or [os.path.join(os.path.expanduser("~"), ".kube", "config")]


def read(path: str) -> dict[str, Any]:
    """One file. Raises ConfigError when it cannot be read or is no mapping; FileNotFoundError when absent."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(
            f'error loading config file "{path}": open {path}: {(error.strerror or "").lower()}'
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f'error loading config file "{path}": yaml: invalid UTF-8: {error.reason}') from error
    value = _parse_json(text) if text.lstrip().startswith("{") else None
    return _parse_yaml(path, text) if value is None else value


def _parse_json(text: str) -> dict[str, Any] | None:
    """The document, or None when it is a flow mapping of YAML."""
    import json

    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _parse_yaml(path: str, text: str) -> dict[str, Any]:
    import yaml

    try:
        value = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe loaders
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f'error loading config file "{path}": yaml: {where}{problem}') from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(
            f'error loading config file "{path}": it holds {type(value).__name__}, not a kubeconfig mapping'
        )
    return value


def _absolute(config: dict[str, Any], path: str) -> None:
    folder = os.path.dirname(os.path.abspath(path))
    for section, inner in _SECTIONS:
        for entry in config.get(section) or []:
            for key in _PATHS:
                value = (entry.get(inner) or {}).get(key)
                if value:
                    entry[inner][key] = os.path.join(folder, value)


def merged(explicit: str = "", *, resolve_paths: bool = True) -> dict[str, Any]:
    """All files as one: the first to name a cluster, user or context wins, as does the first current-context."""
    out: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "preferences": {}, "current-context": ""}
    out.update({section: [] for section, _ in _SECTIONS})
    for path in files(explicit):
        try:
            config = read(path)
        except FileNotFoundError:
            if explicit:
                raise ConfigError(f"stat {path}: no such file or directory") from None
            continue
        for section, inner in _SECTIONS:
            config[section] = [
                {**entry, inner: entry.get(inner) or {}}
                for entry in config.get(section) or []
                if isinstance(entry, dict) and entry.get("name")
            ]
        if resolve_paths:
            _absolute(config, path)
        for section, _ in _SECTIONS:
            known = {entry["name"] for entry in out[section]}
            out[section] += [entry for entry in config[section] if entry["name"] not in known]
        out["current-context"] = out["current-context"] or config.get("current-context") or ""
        out["preferences"] = out["preferences"] or config.get("preferences") or {}
    return out


def entry(config: dict[str, Any], section: str, name: str) -> dict[str, Any] | None:
    """The cluster, user or context of that name, without its name."""
    inner = dict(_SECTIONS)[section]
    for candidate in config.get(section) or []:
        if candidate["name"] == name:
            found: dict[str, Any] = candidate[inner]
            return found
    return None


def _pem(settings: dict[str, Any], key: str, override: str, owner: str) -> bytes:
    """PEM bytes from an override's file, ``<key>-data`` (base64) or the file called ``<key>``."""
    encoded = settings.get(f"{key}-data")
    if encoded and not override:
        try:
            return base64.b64decode(str(encoded), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ConfigError(f"invalid base64 in {key}-data: {error}") from error
    path = override or settings.get(key)
    if not path:
        return b""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        reason = f"open {path}: {(error.strerror or str(error)).lower()}"
        shown = "client-cert" if key == "client-certificate" else key
        raise ConfigError(f"unable to read {shown} {path} for {owner} due to {reason}") from error


def _token(user: dict[str, Any], override: str) -> str:
    if override:
        return override
    if user.get("tokenFile"):
        try:
            with open(user["tokenFile"], encoding="utf-8") as file:
                return file.read().strip()
        except OSError as error:
            raise ConfigError(
                f"unable to read tokenFile {user['tokenFile']}: {(error.strerror or str(error)).lower()}"
            ) from error
    return str(user.get("token") or "")


def _chosen(config: dict[str, Any], overrides: Overrides) -> tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]:
    name = overrides.context or str(config.get("current-context") or "")
    context = entry(config, "contexts", name) if name else {}
    if context is None:
        raise ConfigError(f"Error in configuration: context was not found for specified context: {name}")
    cluster_name = overrides.cluster or str(context.get("cluster") or "")
    cluster = entry(config, "clusters", cluster_name) if cluster_name else {}
    if cluster is None:
        if overrides.cluster:
            raise ConfigError(f'no server found for cluster "{cluster_name}"')
        raise ConfigError(f"Error in configuration: cluster was not found for specified context: {name}")
    user_name = overrides.user or str(context.get("user") or "")
    user = entry(config, "users", user_name) if user_name else {}
    if user is None:
        raise ConfigError(f'auth info "{user_name}" does not exist')
    return name, context, cluster, user


def resolve(overrides: Overrides) -> Target:
    """The server to talk to. Without any configuration it is http://localhost:8080, as kubectl assumes."""
    config = merged(overrides.kubeconfig)
    name, context, cluster, user = _chosen(config, overrides)
    for refused, why in (
        ("exec", "the bundled tools start no credential plug-ins"),
        ("auth-provider", "the bundled tools know no authentication providers"),
    ):
        if user.get(refused):
            raise ConfigError(
                f'user "{context.get("user")}" in the kubeconfig uses "{refused}": {why}; use a token or a client '
                "certificate, or the real tools (CILIUM_LABS_TOOLS=system)"
            )
    if cluster.get("proxy-url"):
        raise ConfigError(
            'the kubeconfig uses "proxy-url", which the bundled tools cannot; '
            "use the real tools (CILIUM_LABS_TOOLS=system)"
        )
    insecure = overrides.insecure or cluster.get("insecure-skip-tls-verify") is True
    server = overrides.server or str(cluster.get("server") or "") or "http://localhost:8080"
    if "://" not in server:
        server = ("https://" if server.endswith(":443") else "http://") + server
    return Target(
        server=server.rstrip("/"),
        namespace=overrides.namespace or str(context.get("namespace") or "") or "default",
        ca=b""
        if insecure
        else _pem(cluster, "certificate-authority", overrides.certificate_authority, str(context.get("cluster", ""))),
        insecure=insecure,
        server_name=overrides.tls_server_name or str(cluster.get("tls-server-name") or ""),
        token=_token(user, overrides.token),
        username=str(user.get("username") or ""),
        password=str(user.get("password") or ""),
        certificate=_pem(user, "client-certificate", overrides.client_certificate, str(context.get("user", ""))),
        key=_pem(user, "client-key", overrides.client_key, str(context.get("user", ""))),
        context=name,
    )
