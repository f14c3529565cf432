"""``kubectl run``: a pod with one container (kubectl pkg/cmd/run)."""

from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.commands.applying import write_query
from lab_helpers.tools.kubectl.creations.objects import add_create_flags, create_object, unborn
from lab_helpers.tools.kubectl.errors import Finished, KubectlError, PlainError, UsageFault
from lab_helpers.tools.kubectl.printing import Reporter, dry_run
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest import ApiError, RestError


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        'run NAME --image=image [--env="key=value"] [--port=port] [--dry-run=server|client] [--overrides=inline-json] '
        "[--command] -- [COMMAND] [args...]",
        short="Start a pod with an image",
        example="""# A pod that stays
kubectl run client --image=nicolaka/netshoot:v0.14 --labels=app=client -- sleep infinity

# A shell in a pod that is removed again
kubectl run box --rm -it --restart=Never --image=nicolaka/netshoot:v0.14 -- bash

# One command, its output, and the pod removed again
kubectl run probe --rm -i --restart=Never --image=nicolaka/netshoot:v0.14 -- curl -s http://backend:8080/""",
        run=run,
    )
    flags = command.flags
    flags.array("annotations", [], "KEY=VALUE annotation")
    flags.bool("attach", False, "Show the pod's output until it ends")
    flags.bool("command", False, "The words after -- are the command, not its arguments")
    flags.array("env", [], "NAME=VALUE for the container", "e")
    flags.bool("expose", False, "Make a Service too")
    flags.string("image", "", "Image of the container")
    flags.string("image-pull-policy", "", "Always, IfNotPresent or Never")
    flags.string("labels", "", "KEY=VALUE labels, separated by commas", "l")
    flags.string("overrides", "", "JSON merged into the object")
    flags.duration("pod-running-timeout", 60_000_000_000, "How long to wait for the pod to run")
    flags.string("port", "", "Port the container listens on")
    flags.bool("privileged", False, "A privileged container")
    flags.bool("quiet", False, "Only the command's own output", "q")
    flags.string("restart", "Always", "Always, OnFailure or Never")
    flags.bool("rm", False, "Delete the pod when it has ended (with --attach or -i)")
    flags.bool("stdin", False, "Keep standard input open", "i")
    flags.bool("tty", False, "Standard input is a terminal", "t")
    flags.duration("timeout", 0, "How long --rm waits for the deletion")
    flags.bool("wait", False, "Accepted", hidden=True)
    add_create_flags(flags)
    return command


def _pod(session: Session, name: str, words: list[str]) -> dict[str, Any]:
    flags = session.flags
    labels = {"run": name}
    if flags["labels"]:
        labels = {}
        for part in flags["labels"].split(","):
            key, equals, value = part.partition("=")
            if not equals:
                raise KubectlError(f"unexpected label spec: {part}")
            labels[key.strip()] = value.strip()
    container: dict[str, Any] = {"name": name, "image": flags["image"], "resources": {}}
    if flags["image-pull-policy"]:
        container["imagePullPolicy"] = flags["image-pull-policy"]
    if words:
        container["command" if flags["command"] else "args"] = words
    if flags["env"]:
        container["env"] = []
        for part in flags["env"]:
            key, equals, value = part.partition("=")
            if not equals or not key:
                raise KubectlError(f"invalid env: {part}")
            container["env"].append({"name": key, "value": value})
    if flags["port"]:
        if not flags["port"].isdigit():
            raise KubectlError(f'strconv.Atoi: parsing "{flags["port"]}": invalid syntax')
        container["ports"] = [{"containerPort": int(flags["port"])}]
    if flags["privileged"]:
        container["securityContext"] = {"privileged": True}
    if flags["stdin"]:
        container["stdin"], container["stdinOnce"] = True, True
    if flags["tty"]:
        container["tty"] = True
    meta: dict[str, Any] = {"name": name, "labels": labels}
    if flags["annotations"]:
        meta["annotations"] = dict(part.split("=", 1) for part in flags["annotations"] if "=" in part)
    if session.namespace_given:
        meta["namespace"] = session.namespace
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {"containers": [container], "dnsPolicy": "ClusterFirst", "restartPolicy": flags["restart"]},
        "status": {},
    }
    if flags["overrides"]:
        import json

        from lab_helpers.tools.kubectl.merging import json_merge

        try:
            pod = json_merge(pod, json.loads(flags["overrides"]))
        except ValueError as error:
            raise KubectlError(f"Invalid JSON Patch: --overrides is no JSON: {error}") from error
    return pod


def run(invocation: Invocation) -> int:
    """Do it."""
    session = Session(invocation)
    flags = session.flags
    if not flags["image"]:
        raise KubectlError('required flag(s) "image" not set')
    if not session.args or flags.dash == 0:
        raise UsageFault(session.path, "NAME is required for run")
    if flags["restart"] not in ("Always", "OnFailure", "Never"):
        raise KubectlError(f"invalid restart policy: {flags['restart']}")
    attach = flags["attach"] or flags["stdin"] or flags["tty"]
    if flags["rm"] and not attach:
        raise KubectlError("--rm should only be used for attached containers")
    if attach and dry_run(session) != "none":
        raise UsageFault(
            session.path,
            "--dry-run=[server|client] can't be used with attached containers options (--attach, --stdin, or --tty)",
        )
    name = session.args[0]
    body = _pod(session, name, session.args[1:])
    path = session.catalogue.find("pods").path(session.namespace) if dry_run(session) != "client" else ""
    if not path:
        body = unborn(body)
    else:
        body = session.client.post(path, body, **write_query(session, "kubectl-run"))
    if not attach:
        reporter = Reporter(session)
        reporter.tell(f"pod/{name}", "created", body)
        reporter.finish()
        if flags["expose"]:
            _expose(session, name, body)
        return 0
    return _attached(session, name, path)


def _expose(session: Session, name: str, pod: dict[str, Any]) -> None:

    if not session.flags["port"]:
        raise KubectlError("--port must be set when exposing a service")
    port = int(session.flags["port"])
    create_object(
        session,
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {
                "ports": [{"port": port, "protocol": "TCP", "targetPort": port}],
                "selector": pod["metadata"].get("labels") or {},
            },
            "status": {"loadBalancer": {}},
        },
    )


def _attached(session: Session, name: str, path: str) -> int:
    """Join the container until it ends; the exit status is the container's."""
    code = 0
    try:
        pod = _wait_for(
            session, path, name, ("Running", "Succeeded", "Failed"), session.flags["pod-running-timeout"] / 1e9
        )
        _join(session, pod, name, path)
        if session.flags["restart"] == "Never":
            pod = _wait_for(session, path, name, ("Succeeded", "Failed"), 60)
            for status in (pod.get("status") or {}).get("containerStatuses") or []:
                code = int(((status.get("state") or {}).get("terminated") or {}).get("exitCode") or code)
    finally:
        if session.flags["rm"]:
            session.client.delete(f"{path}/{name}", {"propagationPolicy": "Background"})
            session.say(f'pod "{name}" deleted')
    if code:
        raise PlainError(f"pod {session.namespace}/{name} terminated ({'Error'})", code)
    return 0


def _join(session: Session, pod: dict[str, Any], name: str, path: str) -> None:
    """Attach to a running pod that reads; of others show the log from its beginning."""
    import sys

    from lab_helpers.tools.kubectl.commands.executing import play

    if pod["status"]["phase"] == "Running" and session.flags["stdin"]:
        try:
            play(session, pod["metadata"]["namespace"], name, name, [])
        except (KubectlError, RestError) as error:
            session.complain(f"warning: couldn't attach to pod/{name}, falling back to streaming logs: {error}")
        else:
            return
    session.out.flush()
    try:
        response = session.client.stream(f"{path}/{name}/log", {"container": name, "follow": True})
        try:
            for chunk in response.chunks():
                sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()
        finally:
            response.close()
    except ApiError as error:
        session.complain(f"warning: couldn't attach to pod/{name}, {error}")


def _wait_for(session: Session, path: str, name: str, phases: tuple[str, ...], seconds: float) -> dict[str, Any]:
    """The pod once it is in one of the phases. Raises KubectlError when that takes too long or the pod goes."""
    from lab_helpers.tools.kubectl.following import follow_object

    for pod in follow_object(session.client, path, name, seconds):
        if pod is None:
            raise Finished(1)
        if (pod.get("status") or {}).get("phase") in phases:
            return pod
    raise KubectlError("timed out waiting for the condition")
