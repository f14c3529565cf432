"""``kubectl config``: view and change kubeconfig files (kubectl pkg/cmd/config)."""

import copy
import os
from collections.abc import Callable
from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.errors import KubectlError, UsageFault
from lab_helpers.tools.kubectl.output.tables import Tabwriter
from lab_helpers.tools.kubectl.printing import add_output_flags, object_text
from lab_helpers.tools.kubectl.refusing import refused
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest import kubeconfigs

Config = dict[str, Any]

_SECRET = {
    "certificate-authority-data": "DATA+OMITTED",
    "client-certificate-data": "DATA+OMITTED",
    "client-key-data": "DATA+OMITTED",
    "token": "REDACTED",
    "password": "REDACTED",
}


def build(_name: str) -> Command:
    """The command and its parts."""
    command = Command(
        "config SUBCOMMAND",
        short="Read and change kubeconfig files",
        example="kubectl config get-contexts\n"
        "kubectl config use-context cilium-labs\n"
        "kubectl config set-context --current --namespace=shop",
    )
    view = Command("view [flags]", short="The merged configuration, secrets left out", run=_view)
    view.flags.bool("flatten", False, "Put certificates into the output instead of their paths")
    view.flags.bool("minify", False, "Only what the current context uses")
    view.flags.bool("raw", False, "With secrets")
    view.flags.bool("merge", True, "Merge the files of KUBECONFIG")
    add_output_flags(view.flags)
    contexts = Command("get-contexts [(-o|--output=)name)]", short="List contexts", run=_contexts)
    contexts.flags.bool("no-headers", False, "No header line")
    contexts.flags.string("output", "", "name", "o")
    change = Command("set-context [NAME | --current] [--cluster=cluster] [--user=user] [--namespace=namespace]",
                     short="Make or change a context", run=_set_context)  # fmt: skip
    change.flags.bool("current", False, "The current context")
    command.add(
        view,
        contexts,
        change,
        Command("current-context", short="The current context", run=_current),
        Command("use-context CONTEXT_NAME", short="Choose the current context", aliases=("use",), run=_use),
        Command("get-clusters", short="List clusters", run=_lister("clusters", "NAME")),
        Command("get-users", short="List users", run=_lister("users", "NAME")),
        Command("delete-context NAME", short="Delete a context", run=_deleter("contexts", "context")),
        Command("delete-cluster NAME", short="Delete a cluster", run=_deleter("clusters", "cluster")),
        Command("delete-user NAME", short="Delete a user", run=_deleter("users", "user")),
        Command("rename-context CONTEXT_NAME NEW_NAME", short="Rename a context", run=_rename),
    )
    for name in ("set", "set-cluster", "set-credentials", "unset"):
        command.add(refused(f"kubectl config {name}", "edit the kubeconfig file"))
    return command


def _merged(session: Session) -> Config:
    return kubeconfigs.merged(session.flags["kubeconfig"], resolve_paths=False)


def _view(invocation: Invocation) -> int:
    session = Session(invocation)
    config = copy.deepcopy(_merged(session))
    if session.flags["minify"]:
        _minify(session, config)
    for section, inner in (("clusters", "cluster"), ("users", "user")):
        for item in config[section]:
            if session.flags["flatten"]:
                _flatten(item[inner])
            if not session.flags["raw"]:
                for key, text in _SECRET.items():
                    if item[inner].get(key):
                        item[inner][key] = text
    for section in ("clusters", "contexts", "users"):
        config[section] = sorted(config[section], key=lambda item: str(item["name"])) or None
    if not session.flags["output"]:
        from lab_helpers.tools.kubectl.output.yamltexts import yaml_text

        session.out.write(yaml_text(config))
        return 0
    if session.flags["output"] == "json":
        from lab_helpers.tools.kubectl.output.jsontexts import json_text

        session.out.write(json_text(_ordered(config), sort=False) + "\n")
        return 0
    writer = object_text(session)
    if writer is None:
        raise KubectlError("unable to match a printer suitable for the output format")
    session.out.write(writer(config))
    return 0


_ORDER = (
    "kind", "apiVersion", "preferences", "clusters", "users", "contexts", "current-context",
    "name", "cluster", "user", "context", "server", "tls-server-name", "insecure-skip-tls-verify",
    "certificate-authority",
    "certificate-authority-data", "proxy-url", "client-certificate", "client-certificate-data", "client-key",
    "client-key-data", "token", "tokenFile", "username", "password", "namespace",
)  # fmt: skip


def _ordered(value: Any) -> Any:
    """The order of fields in clientcmd's types, in which JSON is printed."""
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    if not isinstance(value, dict):
        return value
    keys = sorted(value, key=lambda key: (_ORDER.index(key) if key in _ORDER else len(_ORDER), key))
    return {key: _ordered(value[key]) for key in keys}


def _flatten(settings: dict[str, Any]) -> None:
    import base64

    for key in ("certificate-authority", "client-certificate", "client-key"):
        path = settings.pop(key, None)
        if path and not settings.get(f"{key}-data"):
            with open(path, "rb") as file:
                settings[f"{key}-data"] = base64.b64encode(file.read()).decode()


def _minify(session: Session, config: Config) -> None:
    name = session.flags["context"] or config["current-context"]
    context = kubeconfigs.entry(config, "contexts", name)
    if context is None:
        raise KubectlError("cannot locate context " + name if name else "current-context must exist in order to minify")
    config["current-context"] = name
    config["contexts"] = [{"name": name, "context": context}]
    config["clusters"] = [item for item in config["clusters"] if item["name"] == context.get("cluster")]
    config["users"] = [item for item in config["users"] if item["name"] == context.get("user")]


def _current(invocation: Invocation) -> int:
    session = Session(invocation)
    name = _merged(session)["current-context"]
    if not name:
        raise KubectlError("current-context is not set")
    session.say(name)
    return 0


def _contexts(invocation: Invocation) -> int:
    session = Session(invocation)
    config = _merged(session)
    found = sorted(config["contexts"], key=lambda item: str(item["name"]))
    status = 0
    if session.args:
        known = {item["name"] for item in found}
        for name in session.args:
            if name not in known:
                session.complain(f"error: context {name} not found")
                status = 1
        found = [item for item in found if item["name"] in session.args]
    if session.flags["output"] == "name":
        for item in found:
            session.say(item["name"])
        return status
    table = Tabwriter(session.out)
    if not session.flags["no-headers"]:
        table.row(["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"])
    for item in found:
        context = item["context"]
        mark = "*" if item["name"] == config["current-context"] else ""
        table.row(
            [
                mark,
                item["name"],
                str(context.get("cluster", "")),
                str(context.get("user", "")),
                str(context.get("namespace", "")),
            ]
        )
    table.flush()
    return status


def _lister(section: str, header: str) -> Callable[[Invocation], int]:
    def run(invocation: Invocation) -> int:
        session = Session(invocation)
        session.say(header)
        for item in sorted(_merged(session)[section], key=lambda item: str(item["name"])):
            session.say(item["name"])
        return 0

    return run


def _write(path: str, config: Config) -> None:
    """Write one file in place, readable by its owner only."""
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    if path.endswith(".json") or _is_json(path):
        from lab_helpers.tools.kubectl.output.jsontexts import json_text

        text = json_text(config, 2) + "\n"
    else:
        from lab_helpers.tools.kubectl.output.yamltexts import yaml_text

        text = yaml_text(config)
    temporary = f"{path}.{os.getpid()}"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


def _is_json(path: str) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(64).lstrip().startswith("{")
    except OSError:
        return False


def _read(path: str) -> Config:
    try:
        config = kubeconfigs.read(path)
    except FileNotFoundError:
        config = {}
    for key, value in (("apiVersion", "v1"), ("kind", "Config"), ("preferences", {}), ("current-context", "")):
        config.setdefault(key, value)
    for section in ("clusters", "contexts", "users"):
        config[section] = config.get(section) or []
    return config


def _file_with(session: Session, section: str, name: str) -> str:
    """The file that defines an entry, else the first that exists, else the last that was named."""
    paths = kubeconfigs.files(session.flags["kubeconfig"])
    for path in paths:
        if any(item.get("name") == name for item in _read(path)[section]):
            return path
    return next((path for path in paths if os.path.exists(path)), paths[-1])


def _set_current(session: Session, name: str) -> None:
    paths = kubeconfigs.files(session.flags["kubeconfig"])
    path = next((one for one in paths if _read(one)["current-context"]), None)
    path = path or next((one for one in paths if os.path.exists(one)), paths[-1])
    config = _read(path)
    config["current-context"] = name
    _write(path, config)


def _use(invocation: Invocation) -> int:
    session = Session(invocation)
    if len(session.args) != 1:
        raise (
            UsageFault(session.path, f"unexpected args: [{' '.join(session.args)}]")
            if session.args
            else KubectlError("accepts 1 arg(s), received 0")
        )
    name = session.args[0]
    if kubeconfigs.entry(_merged(session), "contexts", name) is None:
        raise KubectlError(f'no context exists with the name: "{name}"')
    _set_current(session, name)
    session.say(f'Switched to context "{name}".')
    return 0


def _set_context(invocation: Invocation) -> int:
    session = Session(invocation)
    config = _merged(session)
    if session.flags["current"]:
        if session.args:
            raise UsageFault(session.path, "you must specify either a context name or --current")
        name = config["current-context"]
        if not name:
            raise KubectlError("no current context is set")
    elif len(session.args) == 1:
        name = session.args[0]
    else:
        raise UsageFault(session.path, "you must specify a non-empty context name or --current")
    before = kubeconfigs.entry(config, "contexts", name)
    after = dict(before or {"cluster": "", "user": ""})
    for flag in ("cluster", "user", "namespace"):
        if session.flags.changed(flag):
            after[flag] = session.flags[flag]
    path = _file_with(session, "contexts", name)
    kept = _read(path)
    kept["contexts"] = [item for item in kept["contexts"] if item["name"] != name] + [{"name": name, "context": after}]
    kept["contexts"].sort(key=lambda item: str(item["name"]))
    _write(path, kept)
    session.say(f'Context "{name}" {"modified" if before is not None else "created"}.')
    return 0


def _deleter(section: str, word: str) -> Callable[[Invocation], int]:
    def run(invocation: Invocation) -> int:
        session = Session(invocation)
        if len(session.args) != 1:
            raise UsageFault(session.path, f"accepts 1 arg(s), received {len(session.args)}")
        name = session.args[0]
        path = _file_with(session, section, name)
        kept = _read(path)
        if not any(item["name"] == name for item in kept[section]):
            raise KubectlError(f"cannot delete {word} {name}, not in {path}")
        if word == "context" and kept["current-context"] == name:
            session.complain(
                'warning: this removed your active context, use "kubectl config use-context" to select a different one'
            )
        kept[section] = [item for item in kept[section] if item["name"] != name]
        _write(path, kept)
        session.say(f"deleted {word} {name} from {path}")
        return 0

    return run


def _rename(invocation: Invocation) -> int:
    session = Session(invocation)
    if len(session.args) != 2:
        raise UsageFault(session.path, f"accepts 2 arg(s), received {len(session.args)}")
    old, new = session.args
    config = _merged(session)
    if kubeconfigs.entry(config, "contexts", old) is None:
        raise KubectlError(f'cannot rename the context "{old}", it\'s not in {_file_with(session, "contexts", old)}')
    if kubeconfigs.entry(config, "contexts", new) is not None:
        raise KubectlError(
            f'cannot rename the context "{old}", the context "{new}" already exists in '
            f"{_file_with(session, 'contexts', new)}"
        )
    path = _file_with(session, "contexts", old)
    kept = _read(path)
    for item in kept["contexts"]:
        if item["name"] == old:
            item["name"] = new
    if kept["current-context"] == old:
        kept["current-context"] = new
    _write(path, kept)
    session.say(f'Context "{old}" renamed to "{new}".')
    return 0
