"""``kubectl create``: objects from files, or of a kind from flags (kubectl pkg/cmd/create)."""

import base64
import os
import re
from collections.abc import Callable
from typing import Any

from lab_helpers.tools.goflags import Command, FlagSet, Invocation
from lab_helpers.tools.kubectl.commands.applying import LAST_APPLIED, matches, with_annotation, write_query
from lab_helpers.tools.kubectl.errors import KubectlError, UsageFault, not_bundled
from lab_helpers.tools.kubectl.manifests import Failures, manifests, read_manifests, report
from lab_helpers.tools.kubectl.printing import Reporter, add_dry_run_flag, add_output_flags, dry_run
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest import ApiError

Body = dict[str, Any]


def add_create_flags(flags: FlagSet) -> None:
    """Flags every kind of creation has."""
    flags.string("field-manager", "kubectl-create", "Name of the manager that owns the fields")
    flags.string("validate", "strict", "strict, warn or ignore unknown fields").implied = "strict"
    flags.bool("save-config", False, "Keep the configuration for a later apply")
    add_dry_run_flag(flags)
    add_output_flags(flags)


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
    flags.strings("filename", [], "Files or folders; - is standard input", "f")
    flags.bool("recursive", False, "Also files in folders below", "R")
    flags.string("kustomize", "", "Refused: kustomizations are not built here", "k", hidden=True)
    flags.string("selector", "", "Only objects whose labels match", "l")
    flags.string("raw", "", "POST the file to this path")
    flags.bool("edit", False, "Refused: use kubectl edit afterwards", hidden=True)
    add_create_flags(flags)
    for child in (_namespace(), _configmap(), _secret(), _deployment(), _job(), _service(), _service_account()):
        command.add(child)
    for name in ("clusterrole", "clusterrolebinding", "cronjob", "ingress", "poddisruptionbudget", "priorityclass",
                 "quota", "role", "rolebinding", "token"):  # fmt: skip
        command.add(_refused(name))
    return command


def _refused(name: str) -> Command:
    def refuse(_invocation: Invocation) -> int:
        raise not_bundled(f"kubectl create {name}", "write a manifest and use kubectl create -f")

    child = Command(name, short="(not bundled)", run=refuse, hidden=True)
    child.flags.ignore_unknown = True
    return child


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
    refused: Failures = []
    for entry in found:
        body = with_annotation(entry.body) if flags["save-config"] else entry.body
        try:
            if dry_run(session) != "client":
                body = session.client.post(entry.collection, body, **write_query(session, "kubectl-create"))
            name = (body.get("metadata") or {}).get("name") or ""
            reporter.tell(f"{entry.resource.singular_name}/{name}", "created", body)
        except ApiError as error:
            refused.append(error.about("creating", entry.source))
    reporter.finish()
    return report(session, refused + failures)


def create_object(session: Session, body: Body, operation: str = "created") -> Body:
    """Create one object made from flags, in the session's namespace, and report it."""
    client_only = dry_run(session) == "client"
    resource = None if client_only else session.catalogue.of_kind(body["apiVersion"], body["kind"])
    if client_only:
        body = unborn(body)
    namespaced = resource.namespaced if resource else body["kind"] != "Namespace"
    shown_namespace = session.namespace if namespaced and session.namespace_given else ""
    if shown_namespace or (resource is not None and namespaced):
        body["metadata"]["namespace"] = session.namespace
    if session.flag("save-config"):
        body = with_annotation(body)
    group = body["apiVersion"].rpartition("/")[0]
    kind = body["kind"].lower()
    if resource is not None:
        try:
            path = resource.path(session.namespace)
            body = session.client.post(path, body, **write_query(session, "kubectl-create"))
        except ApiError as error:
            raise (failed_to_create(error, kind) if operation == "created" else error) from error
    reporter = Reporter(session)
    reporter.tell(
        f"{kind}.{group}/{body['metadata']['name']}" if group else f"{kind}/{body['metadata']['name']}", operation, body
    )
    reporter.finish()
    return body


def unborn(body: Body) -> Body:
    """The object as kubectl prints it before it exists: creation times are null."""
    out = {**body, "metadata": {"creationTimestamp": None, **body["metadata"]}}
    template = (body.get("spec") or {}).get("template")
    if template:
        template = {**template, "metadata": {"creationTimestamp": None, **(template.get("metadata") or {})}}
        out["spec"] = {**body["spec"], "template": template}
    return out


def failed_to_create(error: ApiError, kind: str) -> Exception:
    """``failed to create configmap: …`` before everything but refusals that name the object themselves."""
    if error.reason == "Invalid":
        return error
    return KubectlError(f"failed to create {kind}: {error}")


def one_name(session: Session) -> str:
    """The single word a creation needs."""
    if len(session.args) != 1:
        raise UsageFault(session.path, f"exactly one NAME is required, got {len(session.args)}")
    return session.args[0]


def _child(
    use: str, short: str, example: str, make: Callable[[Session, str], Body], aliases: tuple[str, ...] = ()
) -> Command:
    def run_it(invocation: Invocation) -> int:
        session = Session(invocation)
        create_object(session, make(session, one_name(session)))
        return 0

    command = Command(use, short=short, example=example, run=run_it, aliases=aliases)
    add_create_flags(command.flags)
    return command


def _namespace() -> Command:
    def make(_session: Session, name: str) -> Body:
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {}, "status": {}}

    return _child(
        "namespace NAME",
        "Create a namespace",
        "# A namespace called shop\nkubectl create namespace shop",
        make,
        ("ns",),
    )


def _service_account() -> Command:
    def make(_session: Session, name: str) -> Body:
        return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}

    return _child(
        "serviceaccount NAME",
        "Create a service account",
        "# A service account called probe\nkubectl create serviceaccount probe",
        make,
        ("sa",),
    )


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise KubectlError(f"error reading {path}: {(error.strerror or str(error)).lower()}") from error


def gathered(session: Session) -> dict[str, bytes]:
    """What --from-literal, --from-file and --from-env-file say, by key."""
    out: dict[str, bytes] = {}

    def put(key: str, value: bytes) -> None:
        if not re.fullmatch(r"[-._a-zA-Z0-9]+", key):
            raise KubectlError(
                f'"{key}" is not valid key name: a valid config key must consist of alphanumeric characters, '
                "'-', '_' or '.'"
            )
        if key in out:
            raise KubectlError(f'cannot add key "{key}", another key by that name already exists in Data')
        out[key] = value

    for word in session.flags["from-literal"]:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise KubectlError(f"invalid literal source {word}, expected key=value")
        put(key, value.encode())
    for word in session.flags["from-file"]:
        key, equals, path = word.partition("=")
        if not equals:
            key, path = os.path.basename(word), word
        if os.path.isdir(path):
            if equals:
                raise KubectlError("cannot give a key name for a directory path")
            for name in sorted(os.listdir(path)):
                inner = os.path.join(path, name)
                if os.path.isfile(inner):
                    put(name, _read(inner))
        else:
            put(key, _read(path))
    for path in session.flags["from-env-file"]:
        for line in _read(path).decode("utf-8", "replace").splitlines():
            text = line.strip()
            if text and not text.startswith("#"):
                key, equals, value = text.partition("=")
                put(key, value.encode() if equals else os.environ.get(key, "").encode())
    return out


def _sources(command: Command) -> None:
    command.flags.strings("from-file", [], "A file, or KEY=FILE, or a folder")
    command.flags.array("from-literal", [], "KEY=VALUE")
    command.flags.strings("from-env-file", [], "A file of KEY=VALUE lines")


def _configmap() -> Command:
    def make(session: Session, name: str) -> Body:
        body: Body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        for key, value in gathered(session).items():
            try:
                body.setdefault("data", {})[key] = value.decode("utf-8")
            except UnicodeDecodeError:
                body.setdefault("binaryData", {})[key] = base64.b64encode(value).decode()
        return body

    command = _child(
        "configmap NAME",
        "Create a ConfigMap",
        "# From a file and a value\nkubectl create configmap app --from-file=server.py --from-literal=mode=test",
        make,
        ("cm",),
    )
    _sources(command)
    return command


def _secret() -> Command:
    def make(session: Session, name: str) -> Body:
        body: Body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
        found = gathered(session)
        if found:
            body["data"] = {key: base64.b64encode(value).decode() for key, value in found.items()}
        if session.flags["type"]:
            body["type"] = session.flags["type"]
        return body

    command = Command("secret (docker-registry | generic | tls)", short="Create a Secret")
    generic = _child(
        "generic NAME",
        "Create a Secret from files and values",
        "# One value\nkubectl create secret generic db --from-literal=password=s3cret",
        make,
    )
    generic.flags.string("type", "", "The Secret's type")
    _sources(generic)
    command.add(generic)
    return command


def _deployment() -> Command:
    def make(session: Session, name: str) -> Body:
        flags = session.flags
        images = flags["image"]
        words = session.flags.dash >= 0 and session.args[session.flags.dash :]
        labels = {"app": name}
        containers: list[Body] = []
        for image in images:
            base = image.rpartition("/")[2].partition("@")[0].partition(":")[0]
            container: Body = {"name": base, "image": image, "resources": {}}
            if words:
                container["command"] = list(words)
            if flags["port"] != -1:
                container["ports"] = [{"containerPort": flags["port"]}]
            containers.append(container)
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "replicas": flags["replicas"],
                "selector": {"matchLabels": labels},
                "strategy": {},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
            },
            "status": {},
        }

    command = Command(
        "deployment NAME --image=image -- [COMMAND] [args...]",
        short="Create a Deployment",
        aliases=("deploy",),
        example="# Two replicas\nkubectl create deployment web --image=nginx --replicas=2",
        run=lambda invocation: _run_with_command(invocation, make),
    )
    command.flags.strings("image", [], "Image of the container, repeatable")
    command.flags.number("port", -1, "Port the container listens on", kind="int32")
    command.flags.number("replicas", 1, "How many pods", "r", kind="int32")
    add_create_flags(command.flags)
    return command


def _run_with_command(invocation: Invocation, make: Callable[[Session, str], Body]) -> int:
    """Creations whose command line ends in ``-- COMMAND``."""
    session = Session(invocation)
    if invocation.command.name == "deployment" and not session.flags["image"]:
        raise KubectlError('required flag(s) "image" not set')
    names = session.args if session.flags.dash < 0 else session.args[: session.flags.dash]
    if len(names) != 1:
        raise UsageFault(session.path, f"exactly one NAME is required, got {len(names)}")
    create_object(session, make(session, names[0]))
    return 0


def _job() -> Command:
    def make(session: Session, name: str) -> Body:
        if not session.flags["image"]:
            raise KubectlError("either --image or --from must be specified")
        container: Body = {"name": name, "image": session.flags["image"], "resources": {}}
        if session.flags.dash >= 0:
            container["command"] = session.args[session.flags.dash :]
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name},
            "spec": {
                "template": {"metadata": {}, "spec": {"containers": [container], "restartPolicy": "Never"}},
            },
            "status": {},
        }

    command = Command(
        "job NAME --image=image -- [COMMAND] [args...]",
        short="Create a Job",
        example="# One command\nkubectl create job once --image=busybox -- date",
        run=lambda invocation: _run_with_command(invocation, make),
    )
    command.flags.string("image", "", "Image of the container")
    command.flags.string("from", "", "Refused: CronJobs are not bundled", hidden=True)
    add_create_flags(command.flags)
    return command


def _port(word: str) -> Body:
    match = re.fullmatch(r"(\d+)(?::([\w-]+))?", word)
    if not match:
        raise KubectlError(f"invalid port format {word}: use PORT or PORT:TARGETPORT")
    port, target = int(match.group(1)), match.group(2) or match.group(1)
    return {"name": word.replace(":", "-"), "port": port, "protocol": "TCP",
            "targetPort": int(target) if target.isdigit() else target}  # fmt: skip


def _service() -> Command:
    command = Command("service", short="Create a Service", aliases=("svc",))
    for word, kind in (("clusterip", "ClusterIP"), ("nodeport", "NodePort"), ("loadbalancer", "LoadBalancer"),
                       ("externalname", "ExternalName")):  # fmt: skip

        def make(session: Session, name: str, kind: str = kind) -> Body:
            ports = [_port(part) for part in session.flags["tcp"]]
            spec: Body = {"type": kind, "selector": {"app": name}}
            if kind == "ExternalName":
                if not session.flags["external-name"]:
                    raise KubectlError('required flag(s) "external-name" not set')
                spec["externalName"] = session.flags["external-name"]
            elif not ports and session.flags["clusterip"] != "None":
                raise KubectlError("at least one tcp port specifier must be provided")
            if ports:
                spec["ports"] = ports
            if session.flags["clusterip"]:
                spec["clusterIP"] = session.flags["clusterip"]
            return {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "labels": {"app": name}},
                "spec": spec,
                "status": {"loadBalancer": {}},
            }

        child = _child(
            f"{word} NAME",
            f"Create a {kind} Service",
            f"# For the pods labelled app=web\nkubectl create service {word} web --tcp=80:8080",
            make,
        )
        child.flags.strings("tcp", [], "PORT or PORT:TARGETPORT")
        child.flags.string("clusterip", "", "Its own address, or None")
        child.flags.string("external-name", "", "The name an ExternalName Service stands for")
        command.add(child)
    return command


__all__ = ["LAST_APPLIED", "add_create_flags", "build", "create_object", "run"]
