"""The flags every kubectl command has, and those of commands that take files (k8s.io/cli-runtime
genericclioptions.ConfigFlags, pkg/cmd/util AddFilenameOptionFlags).
"""

from lab_helpers.tools.goflags import FlagSet
from lab_helpers.tools.rest.kubeconfigs import Overrides


def add_options(flags: FlagSet) -> None:
    """Define them."""
    flags.string("as", "", "User to impersonate")
    flags.array("as-group", [], "Group to impersonate, repeatable")
    flags.string("as-uid", "", "UID to impersonate")
    flags.string("cache-dir", "", "Where discovery is kept between commands")
    flags.string("certificate-authority", "", "File with the certificate authority to trust")
    flags.string("client-certificate", "", "File with the client certificate")
    flags.string("client-key", "", "File with the client certificate's key")
    flags.string("cluster", "", "Cluster of the kubeconfig to use")
    flags.string("context", "", "Context of the kubeconfig to use")
    flags.bool("disable-compression", False, "Accepted; answers are never compressed here")
    flags.bool("insecure-skip-tls-verify", False, "Do not verify the server's certificate")
    flags.string("kubeconfig", "", "Kubeconfig file to use")
    flags.bool("match-server-version", False, "Accepted; versions are not compared here")
    flags.string("namespace", "", "Namespace of this command", "n")
    flags.string("request-timeout", "0", "How long to wait for one answer: 1s, 2m; 0 waits for ever")
    flags.string("server", "", "Address of the API server", "s")
    flags.string("tls-server-name", "", "Name the server's certificate must have")
    flags.string("token", "", "Bearer token")
    flags.string("user", "", "User of the kubeconfig to use")
    flags.number("v", 0, "Log level; accepted, nothing is logged here", "v")
    flags.bool("warnings-as-errors", False, "Fail when the server sends a warning")


def add_file_flags(flags: FlagSet, usage: str = "Files that name the objects") -> None:
    """Define ``-f``, ``-R`` and, refused, ``-k``: what :mod:`lab_helpers.tools.kubectl.manifests` reads."""
    flags.strings("filename", [], usage, "f")
    flags.bool("recursive", False, "Also files in folders below", "R")
    flags.string("kustomize", "", "Refused: kustomizations are not built here", "k", hidden=True)


def overrides(flags: FlagSet) -> Overrides:
    """What these flags say about the connection."""
    return Overrides(
        kubeconfig=flags["kubeconfig"],
        context=flags["context"],
        cluster=flags["cluster"],
        user=flags["user"],
        namespace=flags["namespace"],
        server=flags["server"],
        token=flags["token"],
        certificate_authority=flags["certificate-authority"],
        client_certificate=flags["client-certificate"],
        client_key=flags["client-key"],
        tls_server_name=flags["tls-server-name"],
        insecure=flags["insecure-skip-tls-verify"],
    )
