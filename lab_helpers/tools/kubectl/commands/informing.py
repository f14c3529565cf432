"""``api-resources``, ``api-versions``, ``cluster-info``, ``version``, ``options``."""

from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.output.tables import Tabwriter
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest import RestError

CLIENT_VERSION = {"major": "1", "minor": "32", "gitVersion": "v1.32.0"}


def build(name: str) -> Command:
    """One of the commands."""
    makers = {
        "api-resources": _api_resources,
        "api-versions": _api_versions,
        "cluster-info": _cluster_info,
        "version": _version,
        "options": _options,
    }
    return makers[name]()


def _api_resources() -> Command:
    command = Command(
        "api-resources",
        short="The resource types of the server",
        example="kubectl api-resources\n"
        "kubectl api-resources --api-group=cilium.io\n"
        "kubectl api-resources --namespaced=false -o wide",
        run=_list_resources,
    )
    flags = command.flags
    flags.string("api-group", "", "Only this group")
    flags.bool("cached", False, "Use what is known already")
    flags.strings("categories", [], "Only these categories")
    flags.bool("namespaced", True, "Only namespaced types, or with =false only cluster-wide ones")
    flags.bool("no-headers", False, "No header line")
    flags.string("output", "", "wide or name", "o")
    flags.string("sort-by", "", "name or kind")
    flags.strings("verbs", [], "Only types with these verbs")
    return command


def _list_resources(invocation: Invocation) -> int:
    session = Session(invocation)
    flags = session.flags
    if session.args:
        raise KubectlError(
            f"unexpected arguments: [{' '.join(session.args)}]\nSee 'kubectl api-resources -h' for help and examples"
        )
    output = flags["output"]
    if output not in ("", "wide", "name"):
        raise KubectlError(f"--output {output} is not available")
    if flags["sort-by"] not in ("", "name", "kind"):
        raise KubectlError("--sort-by accepts only name or kind")
    if not flags["cached"]:
        session.catalogue.refresh()
    found = [
        resource
        for resource in session.catalogue.preferred()
        if resource.verbs
        and (not flags.changed("api-group") or resource.group == flags["api-group"])
        and (not flags.changed("namespaced") or resource.namespaced == flags["namespaced"])
        and set(flags["verbs"]) <= set(resource.verbs)
        and set(flags["categories"]) <= set(resource.categories)
    ]
    if flags["sort-by"] == "kind":
        found.sort(key=lambda resource: resource.kind)
    elif flags["sort-by"] == "name":
        found.sort(key=lambda resource: resource.plural)
    else:
        found.sort(key=lambda resource: (resource.group, resource.plural))
    table = Tabwriter(session.out)
    if output != "name" and not flags["no-headers"]:
        header = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
        table.row([*header, "VERBS", "CATEGORIES"] if output == "wide" else header)
    for resource in found:
        if output == "name":
            session.say(resource.full_name)
            continue
        cells = [resource.plural, ",".join(resource.short_names), resource.api_version,
                 "true" if resource.namespaced else "false", resource.kind]  # fmt: skip
        if output == "wide":
            cells += [",".join(resource.verbs), ",".join(resource.categories)]
        table.row(cells)
    table.flush()
    return 0


def _api_versions() -> Command:
    return Command(
        "api-versions", short="The API versions of the server", example="kubectl api-versions", run=_list_versions
    )


def _list_versions(invocation: Invocation) -> int:
    session = Session(invocation)
    session.catalogue.refresh()
    for version in sorted({resource.api_version for resource in session.catalogue.resources}):
        session.say(version)
    return 0


def _cluster_info() -> Command:
    command = Command(
        "cluster-info",
        short="Where the API server and cluster services are",
        example="kubectl cluster-info",
        run=_show_cluster,
    )

    def refuse(_invocation: Invocation) -> int:
        from lab_helpers.tools.kubectl.errors import not_bundled

        raise not_bundled("kubectl cluster-info dump", "use kubectl get and kubectl logs")

    command.add(Command("dump", short="(not bundled)", run=refuse, hidden=True))
    return command


def _show_cluster(invocation: Invocation) -> int:
    session = Session(invocation)
    server = session.client.target.server
    green, yellow, plain = ("\x1b[0;32m", "\x1b[0;33m", "\x1b[0m") if session.out.isatty() else ("", "", "")
    services = session.client.get(
        "/api/v1/namespaces/kube-system/services", labelSelector="kubernetes.io/cluster-service=true"
    )
    session.say(f"{green}Kubernetes control plane{plain} is running at {yellow}{server}{plain}")
    for service in services.get("items") or []:
        meta = service["metadata"]
        ports = (service.get("spec") or {}).get("ports") or []
        name = meta["name"]
        if ports and ports[0].get("name"):
            name = f"{name}:{ports[0]['name']}"
        title = (meta.get("labels") or {}).get("kubernetes.io/name") or meta["name"]
        path = f"{server}/api/v1/namespaces/{meta['namespace']}/services/{name}/proxy"
        session.say(f"{green}{title}{plain} is running at {yellow}{path}{plain}")
    session.say("")
    session.say("To further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.")
    return 0


def _version() -> Command:
    command = Command(
        "version",
        short="Versions of kubectl and the server",
        example="kubectl version\nkubectl version -o yaml",
        run=_show_version,
    )
    command.flags.bool("client", False, "Only kubectl's own")
    command.flags.string("output", "", "yaml or json", "o")
    return command


def _show_version(invocation: Invocation) -> int:
    session = Session(invocation)
    output = session.flags["output"]
    if output not in ("", "json", "yaml"):
        raise KubectlError("--output must be 'yaml' or 'json'")
    found: dict[str, Any] = {
        "clientVersion": {**CLIENT_VERSION, "platform": "cilium-labs/python"},
        "kustomizeVersion": "none",
    }
    failure: RestError | None = None
    if not session.flags["client"]:
        try:
            found["serverVersion"] = session.client.get("/version")
        except RestError as error:
            failure = error
    if output == "json":
        from lab_helpers.tools.kubectl.output.jsontexts import json_text

        session.out.write(json_text(found, 2) + "\n")
    elif output == "yaml":
        from lab_helpers.tools.kubectl.output.yamltexts import yaml_text

        session.out.write(yaml_text(found))
    else:
        session.say(f"Client Version: {CLIENT_VERSION['gitVersion']} (bundled with cilium-labs)")
        if "serverVersion" in found:
            session.say(f"Server Version: {found['serverVersion'].get('gitVersion')}")
            _warn_of_skew(session, found["serverVersion"])
    if failure:
        raise failure
    return 0


def _warn_of_skew(session: Session, server: dict[str, Any]) -> None:
    """kubectl's warning about versions more than one minor apart."""
    minor = "".join(char for char in str(server.get("minor", "")) if char.isdigit())
    if minor and abs(int(minor) - int(CLIENT_VERSION["minor"])) > 1:
        session.complain(
            f"WARNING: version difference between client ({CLIENT_VERSION['major']}.{CLIENT_VERSION['minor']}) and "
            "server "
            f"({server.get('major')}.{minor}) exceeds the supported minor version skew of +/-1"
        )


def _options() -> Command:
    return Command("options", short="Flags every command has", run=_show_options)


def _show_options(invocation: Invocation) -> int:
    from lab_helpers.tools.goflags import FlagSet
    from lab_helpers.tools.kubectl.helping import flag_list
    from lab_helpers.tools.kubectl.options import add_options

    flags = FlagSet()
    add_options(flags)
    invocation.stdout.write("The following options can be passed to any command:\n\n" + flag_list(flags) + "\n")
    return 0
