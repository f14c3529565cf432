"""``helm install`` and ``helm upgrade``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lab_helpers.tools.goflags import Command, FlagSet, Invocation
from lab_helpers.tools.helm.commands.arguments import at_least, dry_run_of, exactly, value_flags, values_of, wait_flags
from lab_helpers.tools.helm.errors import HelmError, NotFoundError
from lab_helpers.tools.helm.locating import locate
from lab_helpers.tools.helm.printing import status_text, structured
from lab_helpers.tools.helm.sessions import helm_of, wait_of

if TYPE_CHECKING:
    from lab_helpers.tools.helm.records import Release
    from lab_helpers.tools.helm.releases import ValuesFrom

__all__ = ["build"]

_NAME = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")


def build() -> list[Command]:
    """Both commands."""
    install = Command("install [NAME] [CHART]", short="install a chart", run=_install, args=at_least(1))
    upgrade = Command("upgrade [RELEASE] [CHART]", short="upgrade a release", run=_upgrade, args=exactly(2))
    for command in (install, upgrade):
        flags = command.flags
        value_flags(flags)
        wait_flags(flags, atomic=True)
        flags.bool("create-namespace", False, "create the release namespace if not present")
        flags.add(_dry_run(flags))
        flags.string("description", "", "add a custom description")
        flags.string(
            "output", "table", "prints the output in the specified format. Allowed values: table, json, yaml", "o"
        )
        flags.bool("hide-notes", False, "if set, do not show notes in output")
        flags.bool("skip-crds", False, "if set, no CRDs will be installed")
        flags.bool("no-hooks", False, "prevent hooks from running")
        flags.bool("force", False, "force resource updates through a replacement strategy")
    install.flags.bool("generate-name", False, "generate the name (and omit the NAME parameter)", "g")
    install.flags.bool("replace", False, "re-use the given name")
    flags = upgrade.flags
    flags.bool("install", False, "if a release by this name doesn't already exist, run an install", "i")
    flags.bool("reuse-values", False, "reuse the last release's values and merge in any overrides")
    flags.bool("reset-values", False, "reset the values to the ones built into the chart")
    flags.bool(
        "reset-then-reuse-values", False, "reset the values, apply the last release's values, then any overrides"
    )
    flags.number("history-max", 10, "limit the maximum number of revisions saved per release. Use 0 for no limit")
    flags.bool("cleanup-on-fail", False, "allow deletion of new resources created in this upgrade when upgrade fails")
    return [install, upgrade]


def _dry_run(flags: FlagSet) -> Any:
    flag = flags.string("dry-run", "", "simulate an install: client (default without a value) or server")
    flag.implied = "client"
    return flag


def _check_name(name: str) -> None:
    if not _NAME.match(name) or len(name) > 53:
        raise HelmError(
            f'release name "{name}": invalid release name, must match regex '
            f"{_NAME.pattern} and the length must not be longer than 53"
        )


def _show(call: Invocation, release: Release) -> None:
    output = call.flags["output"]
    if output == "table":
        call.stdout.write(status_text(release, notes=not call.flags["hide-notes"]))
    else:
        call.stdout.write(structured(release.as_json(), output))


def _install(call: Invocation) -> None:
    words = list(call.args)
    if call.flags["generate-name"]:
        import time

        if len(words) != 1:
            raise HelmError("INSTALLATION FAILED: cannot set --generate-name and also specify a name")
        words.insert(0, f"{words[0].rpartition('/')[2]}-{int(time.time())}")
    if len(words) == 1:
        raise HelmError("INSTALLATION FAILED: must either provide a name or specify --generate-name")
    if len(words) > 2:
        raise HelmError(
            "INSTALLATION FAILED: expected at most two arguments, unexpected arguments: " + ", ".join(words[2:])
        )
    try:
        _check_name(words[0])
        _show(call, _installed(call, *words))
    except Exception as error:
        raise HelmError(f"INSTALLATION FAILED: {error}") from error


def _installed(call: Invocation, name: str, reference: str) -> Release:
    flags = call.flags
    values = values_of(call)
    chart = locate(reference, flags["version"], flags["repo"])
    return helm_of(call).install(
        name,
        chart,
        values,
        create_namespace=flags["create-namespace"],
        dry_run=dry_run_of(call),
        wait=wait_of(call),
        atomic=flags["atomic"],
        description=flags["description"],
    )


def _upgrade(call: Invocation) -> None:
    name, reference = call.args
    try:
        release, words = _upgraded(call, name, reference)
    except Exception as error:
        raise HelmError(f"UPGRADE FAILED: {error}") from error
    if call.flags["output"] == "table":
        call.stdout.write(words)
    _show(call, release)


def _upgraded(call: Invocation, name: str, reference: str) -> tuple[Release, str]:
    flags = call.flags
    if flags["install"] and _absent(call, name):
        if flags["output"] == "table":
            call.stdout.write(f'Release "{name}" does not exist. Installing it now.\n')
        return _installed(call, name, reference), ""
    _check_name(name)
    values = values_of(call)
    chart = locate(reference, flags["version"], flags["repo"])
    release = helm_of(call).upgrade(
        name,
        chart,
        values,
        values_from=_values_from(flags),
        dry_run=dry_run_of(call),
        wait=wait_of(call),
        atomic=flags["atomic"],
        max_history=flags["history-max"],
        description=flags["description"],
    )
    return release, f'Release "{name}" has been upgraded. Happy Helming!\n'


def _absent(call: Invocation, name: str) -> bool:
    try:
        return helm_of(call).storage.last(name).status == "uninstalled"
    except NotFoundError:
        return True


def _values_from(flags: FlagSet) -> ValuesFrom:
    from lab_helpers.tools.helm.releases import ValuesFrom

    if flags["reset-values"]:
        return ValuesFrom.RESET
    if flags["reuse-values"]:
        return ValuesFrom.REUSE
    if flags["reset-then-reuse-values"]:
        return ValuesFrom.RESET_THEN_REUSE
    return ValuesFrom.DEFAULT
