"""``helm show``, ``helm version``, ``helm env``, and the commands the bundled helm refuses."""

from __future__ import annotations

import os

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.helm.commands.arguments import exactly, nothing
from lab_helpers.tools.helm.errors import HelmError
from lab_helpers.tools.helm.locating import locate
from lab_helpers.tools.helm.manifests import yaml_text
from lab_helpers.tools.helm.repositories import config_file

__all__ = ["VERSION", "build"]

VERSION = "v3.19.2"
"""The helm whose behaviour and output this one follows."""

_NO_TEMPLATES = (
    "the bundled helm has no templates: it makes the objects of cilium/cilium in Python. "
    "To see them without installing, use 'helm install cilium cilium/cilium --dry-run'; "
    "after the installation, 'helm get manifest cilium'"
)
_REFUSED = {
    "template": ("locally render templates", _NO_TEMPLATES),
    "create": ("create a new chart with the given name", "the bundled helm writes no charts"),
    "dependency": ("manage a chart's dependencies", "the bundled helm knows finished charts only"),
    "lint": ("examine a chart for possible issues", "the bundled helm reads no chart files"),
    "package": ("package a chart directory into a chart archive", "the bundled helm reads no chart files"),
    "plugin": ("install, list, or uninstall Helm plugins", "the bundled helm has no plugins"),
    "pull": ("download a chart from a repository", "the bundled helm reaches no network"),
    "push": ("push a chart to remote", "the bundled helm reaches no network"),
    "registry": ("login to or logout from a registry", "the bundled helm reaches no network"),
    "test": ("run tests for a release", "the chart cilium/cilium has no tests; use 'cilium connectivity test'"),
    "verify": (
        "verify that a chart at the given path has been signed and is valid",
        "the bundled helm reads no chart files",
    ),
}


def build() -> list[Command]:
    """All of them."""
    show = Command("show", short="show information of a chart", aliases=("inspect",))
    for word, short in (
        ("all", "show all information of the chart"),
        ("chart", "show the chart's definition"),
        ("values", "show the chart's values"),
    ):
        command = Command(f"{word} [CHART]", short=short, run=_show, args=exactly(1))
        command.flags.string("version", "", "specify a version constraint for the chart version to use")
        command.flags.string("repo", "", "chart repository url where to locate the requested chart")
        show.add(command)
    version = Command("version", short="print the helm version information", run=_version, args=nothing)
    version.flags.bool("short", False, "print the version number")
    version.flags.string("template", "", "template for version string format")
    environment = Command("env", short="helm client environment information", run=_env)
    return [show, version, environment, *(_refused(name, *words) for name, words in _REFUSED.items())]


def _refused(name: str, short: str, reason: str) -> Command:
    def run(_: Invocation) -> None:
        raise HelmError(f"helm {name} is not part of the bundled helm: {reason}")

    command = Command(name, short=short, run=run)
    command.keep_words = True
    return command


def _show(call: Invocation) -> None:
    chart = locate(call.args[0], call.flags["version"], call.flags["repo"])
    word = call.command.name
    text = ""
    if word in ("all", "chart"):
        text += yaml_text(chart.metadata()) + "\n"
    if word == "all":
        text += "---\n"
    if word in ("all", "values"):
        text += yaml_text(chart.defaults()) + "\n"
    call.stdout.write(text)


def _version(call: Invocation) -> None:
    if call.flags["template"]:
        raise HelmError("version --template: the bundled helm evaluates no Go templates; use --short")
    if call.flags["short"]:
        call.stdout.write(f"{VERSION}+cilium-labs\n")
        return
    call.stdout.write(
        f'version.BuildInfo{{Version:"{VERSION}", GitCommit:"bundled with cilium-labs", '
        'GitTreeState:"clean", GoVersion:""}\n'
    )


def _env(call: Invocation) -> None:
    path = config_file()
    for name, value in (
        ("HELM_CONFIG_HOME", str(path.parent)),
        ("HELM_NAMESPACE", call.flags["namespace"] or "default"),
        ("HELM_REPOSITORY_CONFIG", str(path)),
        ("KUBECONFIG", os.environ.get("KUBECONFIG", "")),
    ):
        call.stdout.write(f'{name}="{value}"\n')
