"""``kubectl set image`` and ``kubectl set env`` (kubectl pkg/cmd/set)."""

import re
from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.options import add_file_flags
from lab_helpers.tools.kubectl.printing import Reporter, add_dry_run_flag, add_output_flags, dry_run, dry_run_query
from lab_helpers.tools.kubectl.refusing import refused
from lab_helpers.tools.kubectl.selecting import NOTHING_NAMED, Found, find
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest.clients import STRATEGIC_PATCH

Body = dict[str, Any]


def build(_name: str) -> Command:
    """The command and what it can set."""
    command = Command(
        "set SUBCOMMAND",
        short="Change images or environment of workloads",
        example="kubectl set image deployment/web web=nginx:1.29\nkubectl set env deployment/web MODE=test",
    )
    for name, use, short, run in (
        ("image", "image (-f FILENAME | TYPE NAME) CONTAINER_NAME_1=CONTAINER_IMAGE_1 ...", "Change images", _image),
        ("env", "env RESOURCE/NAME KEY_1=VAL_1 ... KEY_N=VAL_N", "Change environment variables", _env),
    ):
        child = Command(use, short=short, run=run, example=f"# One container\nkubectl set {name} deployment/web "
                        + ("web=nginx:1.29" if name == "image" else "MODE=test"))  # fmt: skip
        child.flags.bool("all", False, "Every object of the type in the namespace")
        add_file_flags(child.flags)
        child.flags.bool("local", False, "Refused", hidden=True)
        child.flags.string("selector", "", "Only objects whose labels match", "l")
        child.flags.string("field-manager", "kubectl-set", "Name of the manager that owns the fields")
        if name == "env":
            child.flags.string("containers", "*", "Containers whose names match", "c")
            child.flags.array("env", [], "NAME=VALUE", "e")
            child.flags.bool("list", False, "Print the variables")
            child.flags.bool("overwrite", True, "Replace variables that exist")
        add_dry_run_flag(child.flags)
        add_output_flags(child.flags)
        command.add(child)
    for name in ("resources", "selector", "serviceaccount", "subject"):
        command.add(refused(f"kubectl set {name}", "use kubectl patch"))
    return command


def _pod_spec(item: Found) -> tuple[Body, tuple[str, ...]]:
    body = item.body or {}
    if item.resource.kind == "Pod":
        return body["spec"], ("spec",)
    template = (body.get("spec") or {}).get("template")
    if not template:
        raise KubectlError(f"{item.shown} is not a pod or does not have a pod template")
    return template["spec"], ("spec", "template", "spec")


def _nested(path: tuple[str, ...], value: Any) -> Body:
    for key in reversed(path):
        value = {key: value}
    return dict(value)


def _split(words: list[str], *, removals: bool) -> tuple[list[str], list[str]]:
    changes = [word for word in words if "=" in word or (removals and word.endswith("-") and len(word) > 1)]
    return [word for word in words if word not in changes], changes


def _apply(session: Session, item: Found, patch: Body, operation: str, reporter: Reporter) -> None:
    body = item.body or {}
    if not patch:
        return
    if dry_run(session) != "client":
        query = {"fieldManager": session.flags["field-manager"], **dry_run_query(session)}
        body = session.client.patch(item.path, patch, STRATEGIC_PATCH, **query)
    reporter.tell(item.shown, operation, body)


def _image(invocation: Invocation) -> int:
    session = Session(invocation)
    words, changes = _split(session.args, removals=False)
    if not words and not session.flags["filename"]:
        raise KubectlError(NOTHING_NAMED)
    if not changes:
        raise KubectlError("at least one image update is required")
    wanted = dict(change.split("=", 1) for change in changes)
    reporter = Reporter(session)
    for item in find(session, words):
        spec, path = _pod_spec(item)
        patch: Body = {}
        known = set()
        for section in ("containers", "initContainers"):
            for container in spec.get(section) or []:
                known.add(container["name"])
                image = wanted.get(container["name"], wanted.get("*"))
                if image and image != container.get("image"):
                    patch.setdefault(section, []).append({"name": container["name"], "image": image})
        for name in wanted:
            if name != "*" and name not in known:
                raise KubectlError(f'unable to find container named "{name}"')
        _apply(session, item, _nested(path, patch) if patch else {}, "image updated", reporter)
    reporter.finish()
    return 0


def _env(invocation: Invocation) -> int:
    session = Session(invocation)
    words, changes = _split(session.args, removals=True)
    changes += session.flags["env"]
    if not words and not session.flags["filename"]:
        raise KubectlError("one or more resources must be specified as <resource> <name> or <resource>/<name>")
    new = dict(change.split("=", 1) for change in changes if "=" in change)
    gone = [change[:-1] for change in changes if "=" not in change]
    for name in new:
        if not re.fullmatch(r"[A-Za-z_.-][A-Za-z0-9_.-]*", name):
            raise KubectlError(f'"{name}" is not a valid environment variable name')
    reporter = Reporter(session)
    pattern = re.compile(re.escape(session.flags["containers"]).replace(r"\*", ".*") + "$")
    for item in find(session, words):
        spec, path = _pod_spec(item)
        chosen = [container for container in spec.get("containers") or [] if pattern.match(container["name"])]
        if session.flags["list"]:
            for container in chosen:
                session.say(f"# {item.resource.kind} {item.name}, container {container['name']}")
                for variable in container.get("env") or []:
                    session.say(f"{variable['name']}={variable.get('value', '')}")
            continue
        items = []
        for container in chosen:
            now = {variable["name"]: variable for variable in container.get("env") or []}
            if not session.flags["overwrite"]:
                taken = [name for name in new if name in now and now[name].get("value") != new[name]]
                if taken:
                    raise KubectlError(
                        f"'{taken[0]}' already has a value ({now[taken[0]].get('value')}), and --overwrite is false"
                    )
            env: list[Body] = [
                {"name": name, "value": value, "valueFrom": None}
                for name, value in new.items()
                if now.get(name) != {"name": name, "value": value}
            ]
            env += [{"name": name, "$patch": "delete"} for name in gone if name in now]
            if env:
                items.append({"name": container["name"], "env": env})
        _apply(session, item, _nested(path, {"containers": items}) if items else {}, "env updated", reporter)
    reporter.finish()
    return 0
