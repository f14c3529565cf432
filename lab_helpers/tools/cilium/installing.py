"""``cilium install``, ``upgrade`` and ``uninstall``: Helm releases, with what the real one finds out by itself."""

from typing import Any

from lab_helpers.tools.cilium.errors import CiliumError, not_bundled
from lab_helpers.tools.cilium.sessions import Session
from lab_helpers.tools.goflags import Command, FlagSet, Invocation

Values = dict[str, Any]


def build() -> list[Command]:
    """The commands."""
    install = Command(
        "install",
        short="Install Cilium in a Kubernetes cluster using Helm",
        example="""# Install, and wait until it works
cilium install --wait

# A version, with values
cilium install --version 1.19.8 --set hubble.relay.enabled=true""",
        run=_install,
    )
    _value_flags(install.flags)
    install.flags.bool("disable-check", False, "Accepted: there are no checks to skip", hidden=True)
    install.flags.bool("list-versions", False, "List all the available versions without actually installing")
    upgrade = Command(
        "upgrade",
        short="Upgrade a Cilium installation a Kubernetes cluster using Helm",
        example="cilium upgrade --version 1.20.2 --set hubble.ui.enabled=true",
        run=_upgrade,
    )
    _value_flags(upgrade.flags)
    upgrade.flags.bool("reset-values", False, "When upgrading, reset the helm values to the ones built into the chart")
    upgrade.flags.bool("reuse-values", False, "When upgrading, reuse the helm values from the latest release")
    upgrade.flags.bool(
        "reset-then-reuse-values", True, "When upgrading, take the chart's values and the latest release's on top"
    )
    uninstall = Command("uninstall", short="Uninstall Cilium using Helm", example="cilium uninstall", run=_uninstall)
    uninstall.flags.bool("wait", False, "Wait for uninstallation to have completed")
    uninstall.flags.duration("timeout", 300_000_000_000, "Maximum time to wait for resources to be deleted")
    uninstall.flags.string("test-namespace", "cilium-test", "Namespace of the connectivity tests")
    return [install, upgrade, uninstall]


def _value_flags(flags: FlagSet) -> None:
    flags.string("chart-directory", "", "Refused: charts are not read from folders")
    flags.bool("dry-run", False, "Write resources to be installed to stdout without actually installing them")
    flags.bool(
        "dry-run-helm-values",
        False,
        "Write non-default Helm values to stdout without performing the actual installation",
    )
    flags.array(
        "set",
        [],
        "Set helm values on the command line (can specify multiple or separate values with commas: "
        "key1=val1,key2=val2)",
    )
    flags.array("set-string", [], "Set helm STRING values on the command line")
    flags.array("set-file", [], "Set helm values from respective files specified via the command line")
    flags.strings("values", [], "Specify helm values in a YAML file", "f")
    flags.string("version", "", "Cilium version to install")
    flags.bool("wait", False, "Wait for helm install to finish")
    flags.duration("wait-duration", 300_000_000_000, "Maximum time to wait for status")
    flags.string("nodes-without-cilium", "", "Accepted", hidden=True)


def user_values(session: Session) -> Values:
    """What the command line says. Raises HelmError."""
    from lab_helpers.tools.helm.settings import user_values as parse

    flags = session.flags
    if flags["chart-directory"]:
        raise not_bundled("--chart-directory", "install the bundled chart by --version")
    return parse(flags["values"], settings=flags["set"], strings=flags["set-string"], file_settings=flags["set-file"])


def chart_of(version: str) -> Any:
    """The chart for a version. Raises CiliumError."""
    from lab_helpers.tools.charts import find_chart
    from lab_helpers.tools.charts.cilium import VERSIONS

    found = find_chart("cilium", version.removeprefix("v"))
    if found is None:
        known = ", ".join(item.text for item in VERSIONS)
        raise CiliumError(f'Unable to install Cilium: chart "cilium" version "{version}" not found (bundled: {known})')
    return found


def _kubernetes_endpoint(session: Session) -> tuple[str, str]:
    """Where pods reach the API server without kube-proxy: the kubeconfig's address, or the control plane node."""
    address = session.client.address
    if address.host in ("127.0.0.1", "localhost", "::1", "0.0.0.0"):
        listing = session.client.get("/api/v1/nodes", labelSelector="node-role.kubernetes.io/control-plane")
        for node in listing.get("items") or []:
            return str(node["metadata"]["name"]), "6443"
    return address.host, str(address.port)


def cluster_name(session: Session) -> str:
    """The cluster's name for Cilium, from the kubeconfig's."""
    from lab_helpers.tools.rest import kubeconfigs

    config = kubeconfigs.merged(session.flags["kubeconfig"])
    context = kubeconfigs.entry(config, "contexts", session.client.target.context) or {}
    name = str(context.get("cluster") or "")
    cleaned = "".join(char if char.isalnum() or char == "-" else "-" for char in name.lower()).strip("-")
    return cleaned[:32] or "default"


def _detected(session: Session, values: Values) -> Values:
    """Values found out, below those given."""
    from lab_helpers.tools.helm.settings import merged

    kind = "kind" if session.client.target.context.startswith("kind-") else ""
    if kind:
        session.say(f"🔮 Auto-detected Kubernetes kind: {kind}")
    return merged({}, values)


def _detect_proxy(session: Session) -> Values:
    if session.find("/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy") is not None:
        session.say("🔮 Auto-detected kube-proxy has been installed")
        return {}
    session.say("🔮 Auto-detected kube-proxy has not been installed")
    session.say("ℹ️  Cilium will fully replace all functionalities of kube-proxy")
    host, port = _kubernetes_endpoint(session)
    return {"kubeProxyReplacement": "true", "k8sServiceHost": host, "k8sServicePort": port}


def _install(call: Invocation) -> int:
    from lab_helpers.tools.cilium.versions import default_version
    from lab_helpers.tools.helm.settings import merged

    session = Session(call)
    flags = session.flags
    if flags["list-versions"]:
        from lab_helpers.tools.charts.cilium import VERSIONS

        for item in VERSIONS:
            session.say(f"v{item.text}" + (" (default)" if item.text == default_version() else ""))
        return 0
    given = user_values(session)
    chart = chart_of(flags["version"] or default_version())
    quiet = flags["dry-run"] or flags["dry-run-helm-values"]
    speaker, session.out = session.out, call.stderr if quiet else session.out
    _detected(session, given)
    session.say(f"ℹ️  Using Cilium version {chart.version}")
    name = cluster_name(session)
    session.say(f"🔮 Auto-detected cluster name: {name}")
    found: Values = {"cluster": {"name": name}, "operator": {"replicas": 1}}
    found = merged(found, _detect_proxy(session))
    session.out = speaker
    values = merged(found, given)
    if flags["dry-run-helm-values"]:
        from lab_helpers.tools.kubectl.output.yamltexts import yaml_text

        session.out.write(yaml_text(values) + "\n")
        return 0
    wait = flags["wait-duration"] / 1e9 if flags["wait"] else None
    try:
        release = session.helm.install(session.release, chart, values, dry_run=flags["dry-run"], wait=wait)
    except Exception as error:
        taken = "cannot reuse a name" in str(error)
        raise _failed(f"Unable to install Cilium{': release name check failed' * taken}", error) from error
    if flags["dry-run"]:
        session.out.write(release.manifest)
    return 0


def _failed(what: str, error: Exception) -> Exception:
    """Errors of Helm and of the cluster in cilium's words; anything else as it is."""
    from lab_helpers.tools.charts import ChartError
    from lab_helpers.tools.helm.errors import HelmError
    from lab_helpers.tools.rest.errors import RestError

    if isinstance(error, (ChartError, HelmError, RestError)):
        return CiliumError(f"{what}: {error}")
    return error


def upgrade(
    session: Session, values: Values, *, version: str = "", wait: float | None = None, dry_run: bool = False
) -> Any:
    """Upgrade the release with values on top of its own. Raises CiliumError."""
    from lab_helpers.tools.helm.errors import HelmError
    from lab_helpers.tools.helm.releases import ValuesFrom

    helm = session.helm
    source = ValuesFrom.RESET_THEN_REUSE
    if session.flags.changed("reset-values") and session.flags["reset-values"]:
        source = ValuesFrom.RESET
    elif session.flags.changed("reuse-values") and session.flags["reuse-values"]:
        source = ValuesFrom.REUSE
    try:
        current = helm.storage.last(session.release)
        chart = chart_of(version or str(current.chart.get("version", "")))
        return helm.upgrade(session.release, chart, values, values_from=source, wait=wait, dry_run=dry_run)
    except HelmError as error:
        raise CiliumError(f"Unable to upgrade Cilium: {error}") from error
    except Exception as error:
        raise _failed("Unable to upgrade Cilium", error) from error


def _upgrade(call: Invocation) -> int:
    from lab_helpers.tools.cilium.versions import default_version

    session = Session(call)
    flags = session.flags
    values = user_values(session)
    version = flags["version"] or default_version()
    wait = flags["wait-duration"] / 1e9 if flags["wait"] else None
    if flags["dry-run-helm-values"]:
        from lab_helpers.tools.helm.settings import merged
        from lab_helpers.tools.kubectl.output.yamltexts import yaml_text

        current = session.helm.storage.last(session.release)
        session.out.write(yaml_text(merged(current.config, values)) + "\n")
        return 0
    release = upgrade(session, values, version=version, wait=wait, dry_run=flags["dry-run"])
    if flags["dry-run"]:
        session.out.write(release.manifest)
    return 0


def _uninstall(call: Invocation) -> int:
    from lab_helpers.tools.rest import ApiError

    session = Session(call)
    flags = session.flags
    names = [item["metadata"]["name"] for item in session.client.get("/api/v1/namespaces").get("items") or []]
    for name in [one for one in names if one.startswith(flags["test-namespace"])]:
        session.say(f"🔥 Deleting pods in {name} namespace...")
        session.say(f"🔥 Deleting {name} namespace...")
        try:
            session.client.delete(f"/api/v1/namespaces/{name}", {"propagationPolicy": "Background"})
        except ApiError as error:
            if error.code != 404:
                raise
    session.say("⌛ Uninstalling Cilium")
    try:
        session.helm.uninstall(session.release, wait=flags["timeout"] / 1e9 if flags["wait"] else None)
    except Exception as error:
        raise _failed("Unable to uninstall Cilium", error) from error
    return 0
