"""``kubectl top``: needs a metrics server; without one it says so, as the real one does."""

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.errors import KubectlError, not_bundled
from lab_helpers.tools.kubectl.sessions import Session


def build(_name: str) -> Command:
    """The command."""
    command = Command("top", short="Resource usage, where a metrics server runs", example="kubectl top nodes")
    for name, aliases in (("node", ("nodes", "no")), ("pod", ("pods", "po"))):
        child = Command(f"{name} [NAME | -l label]", short=f"Usage of {name}s", aliases=aliases, run=_run)
        child.flags.bool("all-namespaces", False, "In every namespace", "A")
        child.flags.bool("containers", False, "By container")
        child.flags.bool("no-headers", False, "No header line")
        child.flags.string("selector", "", "Only those whose labels match", "l")
        child.flags.string("sort-by", "", "cpu or memory")
        command.add(child)
    return command


def _run(invocation: Invocation) -> int:
    session = Session(invocation)
    if any(resource.group == "metrics.k8s.io" for resource in session.catalogue.resources):
        raise not_bundled("kubectl top", "read the metrics with kubectl get --raw /apis/metrics.k8s.io/v1beta1/nodes")
    raise KubectlError("Metrics API not available")
