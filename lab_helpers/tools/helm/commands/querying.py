"""``helm list``, ``status``, ``history`` and ``get``."""

from __future__ import annotations

import re
from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.helm.commands.arguments import exactly, nothing
from lab_helpers.tools.helm.errors import HelmError
from lab_helpers.tools.helm.manifests import yaml_text
from lab_helpers.tools.helm.printing import ansi_time, history_text, list_text, status_text, structured
from lab_helpers.tools.helm.records import Release
from lab_helpers.tools.helm.sessions import helm_of
from lab_helpers.tools.helm.settings import covered

__all__ = ["build"]

_OUTPUT = "prints the output in the specified format. Allowed values: table, json, yaml"
_STATES = ("deployed", "failed", "pending", "superseded", "uninstalled", "uninstalling")


def build() -> list[Command]:
    """The commands that only read."""
    listing = Command("list", short="list releases", aliases=("ls",), run=_list, args=nothing)
    flags = listing.flags
    flags.bool("all", False, "show all releases without any filter applied", "a")
    flags.bool("all-namespaces", False, "list releases across all namespaces", "A")
    for state in _STATES:
        flags.bool(state, False, f"show {state} releases")
    flags.bool("date", False, "sort by release date", "d")
    flags.bool("reverse", False, "reverse the sort order", "r")
    flags.bool("short", False, "output short (quiet) listing format", "q")
    flags.string("filter", "", "a regular expression", "f")
    flags.number("max", 256, "maximum number of releases to fetch", "m")
    flags.string("output", "table", _OUTPUT, "o")
    status = Command(
        "status RELEASE_NAME", short="display the status of the named release", run=_status, args=exactly(1)
    )
    status.flags.number("revision", 0, "if set, display the status of the named release with revision")
    status.flags.bool("show-desc", False, "if set, display the description message of the named release")
    status.flags.string("output", "table", _OUTPUT, "o")
    history = Command(
        "history RELEASE_NAME", short="fetch release history", aliases=("hist",), run=_history, args=exactly(1)
    )
    history.flags.number("max", 256, "maximum number of revision to include in history")
    history.flags.string("output", "table", _OUTPUT, "o")
    return [listing, status, history, _getting()]


def _getting() -> Command:
    get = Command("get", short="download extended information of a named release")
    values = Command(
        "values RELEASE_NAME", short="download the values file for a named release", run=_values, args=exactly(1)
    )
    values.flags.bool("all", False, "dump all (computed) values", "a")
    values.flags.string("output", "table", _OUTPUT, "o")
    found = [
        Command("all RELEASE_NAME", short="download all information for a named release", run=_all, args=exactly(1)),
        Command("hooks RELEASE_NAME", short="download all hooks for a named release", run=_hooks, args=exactly(1)),
        Command(
            "manifest RELEASE_NAME", short="download the manifest for a named release", run=_manifest, args=exactly(1)
        ),
        Command("metadata RELEASE_NAME", short="fetch metadata for a given release", run=_metadata, args=exactly(1)),
        Command("notes RELEASE_NAME", short="download the notes for a named release", run=_notes, args=exactly(1)),
        values,
    ]
    for command in found:
        command.flags.number("revision", 0, "get the named release with revision")
    get.add(*found)
    return get


def _release(call: Invocation) -> Release:
    return helm_of(call).storage.get(call.args[0], call.flags["revision"])


def _list(call: Invocation) -> None:
    flags = call.flags
    helm = helm_of(call)
    storage = helm.storage.everywhere() if flags["all-namespaces"] else helm.storage
    newest: dict[tuple[str, str], Release] = {}
    for release in storage.all():
        newest[release.namespace, release.name] = release
    chosen = [release for release in newest.values() if _wanted(release, flags)]
    chosen.sort(key=lambda item: (item.last_deployed, item.name) if flags["date"] else (item.name, item.namespace))
    if flags["reverse"]:
        chosen.reverse()
    chosen = chosen[: flags["max"] or None]
    if flags["short"]:
        names = [release.name for release in chosen]
        shown = (
            "".join(f"{name}\n" for name in names) if flags["output"] == "table" else structured(names, flags["output"])
        )
        call.stdout.write(shown)
        return
    call.stdout.write(list_text(chosen, flags["output"]))


def _wanted(release: Release, flags: Any) -> bool:
    if flags["filter"]:
        try:
            if not re.search(flags["filter"], release.name):
                return False
        except re.error as error:
            raise HelmError(f"error parsing regexp: {error}") from error
    if flags["all"]:
        return True
    states = {state for state in _STATES if flags[state]} or {"deployed", "failed"}
    return release.status in states or ("pending" in states and release.status.startswith("pending-"))


def _status(call: Invocation) -> None:
    release = _release(call)
    if call.flags["output"] == "table":
        call.stdout.write(status_text(release, description=call.flags["show-desc"]))
    else:
        call.stdout.write(structured(release.as_json(), call.flags["output"]))


def _history(call: Invocation) -> None:
    releases = helm_of(call).storage.history(call.args[0])
    call.stdout.write(history_text(releases[-call.flags["max"] :], call.flags["output"]))


def _values(call: Invocation) -> None:
    release = _release(call)
    every = call.flags["all"]
    values: Any = covered(release.values, release.config) if every else (release.config or None)
    if call.flags["output"] == "table":
        title = "COMPUTED" if every else "USER-SUPPLIED"
        call.stdout.write(f"{title} VALUES:\n{yaml_text(values)}")
    else:
        call.stdout.write(structured(values, call.flags["output"]))


def _manifest(call: Invocation) -> None:
    call.stdout.write(f"{_release(call).manifest}\n")


def _hooks(call: Invocation) -> None:
    _release(call)


def _notes(call: Invocation) -> None:
    call.stdout.write(f"NOTES:\n{_release(call).notes}\n")


def _metadata(call: Invocation) -> None:
    release = _release(call)
    call.stdout.write(
        f"NAME: {release.name}\nCHART: {release.chart.get('name', '')}\nVERSION: {release.chart.get('version', '')}\n"
        f"APP_VERSION: {release.app_version}\nNAMESPACE: {release.namespace}\nREVISION: {release.version}\n"
        f"STATUS: {release.status}\nDEPLOYED_AT: {release.last_deployed}\n"
    )


def _all(call: Invocation) -> None:
    release = _release(call)
    call.stdout.write(
        f"NAME: {release.name}\nLAST DEPLOYED: {ansi_time(release.last_deployed)}\nNAMESPACE: {release.namespace}\n"
        f"STATUS: {release.status}\nREVISION: {release.version}\nCHART: {release.chart.get('name', '')}\n"
        f"VERSION: {release.chart.get('version', '')}\nAPP_VERSION: {release.app_version}\nTEST SUITE: None\n"
        f"USER-SUPPLIED VALUES:\n{yaml_text(release.config or None)}\n"
        f"COMPUTED VALUES:\n{yaml_text(covered(release.values, release.config))}\n"
        f"HOOKS:\nMANIFEST:\n{release.manifest}\nNOTES:\n{release.notes}\n"
    )
