"""``kubectl create``: objects from files, or of a kind from flags (kubectl pkg/cmd/create)."""

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.commands.applying import matches, with_annotation, write_query
from lab_helpers.tools.kubectl.creations.accounts import namespace, service_account
from lab_helpers.tools.kubectl.creations.objects import add_create_flags
from lab_helpers.tools.kubectl.creations.services import service
from lab_helpers.tools.kubectl.creations.settings import configmap, secret
from lab_helpers.tools.kubectl.creations.workloads import deployment, job
from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.manifests import Failures, manifests, read_manifests, report
from lab_helpers.tools.kubectl.options import add_file_flags
from lab_helpers.tools.kubectl.printing import Reporter, dry_run
from lab_helpers.tools.kubectl.refusing import refused
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest import ApiError

__all__ = ["build", "run"]


def build(_name: str) -> Command:
    """The command and its kinds."""
    command = Command(
        "create -f FILENAME",
        short="Create objects from files, or of a kind from flags",
        example="""# Objects of a file
kubectl create -f pod.yaml

# A namespace
kubectl create namespace shop

# A Deployment, printed instead of created
kubectl create deployment web --image=nginx --dry-run=client -o yaml""",
        run=run,
    )
    flags = command.flags
    add_file_flags(flags, "Files or folders; - is standard input")
    flags.string("selector", "", "Only objects whose labels match", "l")
    flags.string("raw", "", "POST the file to this path")
    flags.bool("edit", False, "Refused: use kubectl edit afterwards", hidden=True)
    add_create_flags(flags)
    for make in (namespace, configmap, secret, deployment, job, service, service_account):
        command.add(make())
    for name in ("clusterrole", "clusterrolebinding", "cronjob", "ingress", "poddisruptionbudget", "priorityclass",
                 "quota", "role", "rolebinding", "token"):  # fmt: skip
        command.add(refused(f"kubectl create {name}", "write a manifest and use kubectl create -f"))
    return command


def run(invocation: Invocation) -> int:
    """``create -f``."""
    session = Session(invocation)
    flags = session.flags
    if session.args:
        raise KubectlError(
            f"Unexpected args: [{' '.join(session.args)}]\nSee 'kubectl create -h' for help and examples"
        )
    if not flags["filename"] and not flags["kustomize"]:
        raise KubectlError("must specify one of -f and -k")
    if flags["raw"]:
        body = manifests(session)[0].body
        session.say(session.client.request("POST", flags["raw"], {}, body).decode())
        return 0
    entries, failures = read_manifests(session)
    found = [entry for entry in entries if matches(flags["selector"], entry.body)]
    if not found and not failures:
        raise KubectlError("no objects passed to create")
    reporter = Reporter(session)
    refusals: Failures = []
    for entry in found:
        body = with_annotation(entry.body) if flags["save-config"] else entry.body
        try:
            if dry_run(session) != "client":
                body = session.client.post(entry.collection, body, **write_query(session, "kubectl-create"))
            name = (body.get("metadata") or {}).get("name") or ""
            reporter.tell(f"{entry.resource.singular_name}/{name}", "created", body)
        except ApiError as error:
            refusals.append(error.about("creating", entry.source))
    reporter.finish()
    return report(session, refusals + failures)
