"""One run of cilium: its flags and streams, the cluster, and Cilium's Helm release in it."""

import time
from typing import TYPE_CHECKING, Any, TextIO

from lab_helpers.tools.goflags import FlagSet, Invocation
from lab_helpers.tools.rest import ApiError, Catalogue, Client, Options

if TYPE_CHECKING:
    from lab_helpers.tools.helm.releases import Helm


def add_options(flags: FlagSet) -> None:
    """The flags of every command."""
    flags.string("as", "", "Username to impersonate; accepted, not used", hidden=True)
    flags.string("context", "", "Kubernetes configuration context")
    flags.string("helm-release-name", "cilium", "Helm release name")
    flags.string("kubeconfig", "", "Path to the kubeconfig file")
    flags.string("namespace", "kube-system", "Namespace Cilium is running in", "n")


class Session:
    """What a command works with."""

    def __init__(self, call: Invocation) -> None:
        self.args = call.args
        self.flags = call.flags
        self.out: TextIO = call.stdout
        self.err: TextIO = call.stderr
        self.namespace: str = call.flags["namespace"]
        self.release: str = call.flags["helm-release-name"]
        self._client: Client | None = None
        self._catalogue: Catalogue | None = None

    @property
    def client(self) -> Client:
        """The API. Raises ConfigError."""
        if self._client is None:
            flags = self.flags
            options = Options(kubeconfig=flags["kubeconfig"], context=flags["context"])
            self._client = Client.load(options, agent="cilium-cli", warn=self._warn)
        return self._client

    @property
    def catalogue(self) -> Catalogue:
        """The server's resource types."""
        if self._catalogue is None:
            self._catalogue = Catalogue(self.client)
        return self._catalogue

    @property
    def helm(self) -> "Helm":
        """Releases in Cilium's namespace."""
        from lab_helpers.tools.helm.releases import Helm

        return Helm.connect(self.client, self.namespace)

    def _warn(self, text: str) -> None:
        self.err.write(f"Warning: {text}\n")

    def say(self, line: str = "") -> None:
        """Write a line to standard output at once."""
        self.out.write(f"{line}\n")
        self.out.flush()

    def find(self, path: str) -> dict[str, Any] | None:
        """An object, or None where there is none."""
        try:
            return self.client.get(path)
        except ApiError as error:
            if error.code != 404:
                raise
            return None

    def workload(self, plural: str, name: str) -> dict[str, Any] | None:
        """A Deployment or DaemonSet in Cilium's namespace."""
        return self.find(f"/apis/apps/v1/namespaces/{self.namespace}/{plural}/{name}")

    def pods(self, selector: str, namespace: str = "") -> list[dict[str, Any]]:
        """Pods by label."""
        path = f"/api/v1/namespaces/{namespace or self.namespace}/pods"
        return list(self.client.list_all(path, {"labelSelector": selector}).get("items") or [])

    @property
    def coloured(self) -> bool:
        """Whether output goes to a terminal."""
        return self.out.isatty()


def pause(seconds: float) -> None:
    """Wait before looking again."""
    time.sleep(seconds)
