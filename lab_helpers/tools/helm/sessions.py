"""One run of the command: options that all commands share, and the connection to the cluster."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lab_helpers.tools.goflags import FlagSet, Invocation
from lab_helpers.tools.helm.errors import HelmError

if TYPE_CHECKING:
    from lab_helpers.tools.helm.releases import Helm
    from lab_helpers.tools.rest import Client

__all__ = ["add_options", "client_of", "helm_of", "wait_of"]


def add_options(flags: FlagSet) -> None:
    """The flags of every command."""
    flags.bool("debug", False, "enable verbose output")
    flags.string("kube-apiserver", "", "the address and the port for the Kubernetes API server")
    flags.string("kube-ca-file", "", "the certificate authority file for the Kubernetes API server connection")
    flags.string("kube-context", os.environ.get("HELM_KUBECONTEXT", ""), "name of the kubeconfig context to use")
    flags.bool(
        "kube-insecure-skip-tls-verify",
        False,
        "if true, the Kubernetes API server's certificate will not be checked for validity",
    )
    flags.string("kube-token", "", "bearer token used for authentication")
    flags.string("kubeconfig", "", "path to the kubeconfig file")
    flags.string("namespace", os.environ.get("HELM_NAMESPACE", ""), "namespace scope for this request", "n")


def client_of(call: Invocation) -> Client:
    """The connection that the flags and the kubeconfig describe. Raises RestError."""
    from lab_helpers.tools.rest import Client, Options

    flags = call.flags
    options = Options(
        kubeconfig=flags["kubeconfig"],
        context=flags["kube-context"],
        namespace=flags["namespace"],
        server=flags["kube-apiserver"],
        token=flags["kube-token"],
        certificate_authority=flags["kube-ca-file"],
        insecure=flags["kube-insecure-skip-tls-verify"],
    )
    return Client.load(options, agent="Helm/3.19.2")


def helm_of(call: Invocation) -> Helm:
    """The releases of the namespace meant. Raises HelmError when no cluster answers."""
    from lab_helpers.tools.helm.releases import Helm
    from lab_helpers.tools.rest import ConfigError, ConnectError

    try:
        client = client_of(call)
        client.get("/version")
        return Helm.connect(client)
    except ConnectError as error:
        raise HelmError(f'Kubernetes cluster unreachable: Get "{client.target.server}/version": {error}') from error
    except ConfigError as error:
        raise HelmError(f"Kubernetes cluster unreachable: {error}") from error


def wait_of(call: Invocation) -> float | None:
    """Seconds to wait, None when ``--wait`` (or ``--atomic``) was not given."""
    flags = call.flags
    atomic = flags.get("atomic")
    if not flags["wait"] and (atomic is None or not atomic.value.value):
        return None
    return float(flags["timeout"]) / 1e9
