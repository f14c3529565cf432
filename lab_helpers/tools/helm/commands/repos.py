"""``helm repo`` and ``helm search``."""

from __future__ import annotations

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.helm.commands.arguments import at_least, exactly, nothing
from lab_helpers.tools.helm.errors import HelmError
from lab_helpers.tools.helm.printing import structured
from lab_helpers.tools.helm.repositories import add, listed, remove
from lab_helpers.tools.helm.tables import table

__all__ = ["build"]

_OUTPUT = "prints the output in the specified format. Allowed values: table, json, yaml"


def build() -> list[Command]:
    """Both groups."""
    repo = Command("repo", short="add, list, remove, update, and index chart repositories")
    adding = Command("add [NAME] [URL]", short="add a chart repository", run=_add, args=exactly(2))
    adding.flags.bool("force-update", False, "replace (overwrite) the repo if it already exists")
    listing = Command("list", short="list chart repositories", aliases=("ls",), run=_list, args=nothing)
    listing.flags.string("output", "table", _OUTPUT, "o")
    removing = Command(
        "remove [REPO1 [REPO2 ...]]",
        short="remove one or more chart repositories",
        aliases=("rm",),
        run=_remove,
        args=at_least(1),
    )
    updating = Command(
        "update [REPO1 [REPO2 ...]]",
        short="update information of available charts locally from chart repositories",
        aliases=("up",),
        run=_update,
    )
    repo.add(adding, listing, removing, updating)
    search = Command("search", short="search for a keyword in charts")
    searching = Command("repo [keyword]", short="search repositories for a keyword in charts", run=_search)
    searching.flags.bool("versions", False, "show the long listing, with each version of each chart", "l")
    searching.flags.bool("devel", False, "use development versions (alpha, beta, and release candidate releases), too")
    searching.flags.string("version", "", "search using semantic versioning constraints on repositories you have added")
    searching.flags.string("output", "table", _OUTPUT, "o")
    search.add(searching, Command("hub [KEYWORD]", short="search for charts in the Artifact Hub", run=_hub))
    return [repo, search]


def _add(call: Invocation) -> None:
    name, url = call.args
    if add(name, url, force=call.flags["force-update"]):
        call.stdout.write(f'"{name}" has been added to your repositories\n')
    else:
        call.stdout.write(f'"{name}" already exists with the same configuration, skipping\n')


def _list(call: Invocation) -> None:
    found = listed()
    output = call.flags["output"]
    if output != "table":
        call.stdout.write(structured([{"name": item.name, "url": item.url} for item in found], output))
        return
    if not found:
        raise HelmError("no repositories to show")
    call.stdout.write(table([("NAME", "URL"), *found]))


def _remove(call: Invocation) -> None:
    for name in call.args:
        remove(name)
        call.stdout.write(f'"{name}" has been removed from your repositories\n')


def _update(call: Invocation) -> None:
    found = listed()
    if not found:
        raise HelmError("no repositories found. You must add one before updating")
    names = {item.name for item in found}
    for name in call.args:
        if name not in names:
            raise HelmError(f"no repositories found matching '{name}'.  Nothing will be updated")
    call.stdout.write("Hang tight while we grab the latest from your chart repositories...\n")
    failed = []
    for item in found:
        if call.args and item.name not in call.args:
            continue
        if item.known:
            call.stdout.write(f'...Successfully got an update from the "{item.name}" chart repository\n')
        else:
            failed.append(item)
            call.stdout.write(
                f'...Unable to get an update from the "{item.name}" chart repository ({item.url}):\n'
                "\tthe helm bundled with cilium-labs reaches no network; it knows the charts of cilium only\n"
            )
    if failed and call.args:
        raise HelmError(f"Failed to update the following repositories: {[item.url for item in failed]}")
    call.stdout.write("Update Complete. ⎈Happy Helming!⎈\n")


def _search(call: Invocation) -> None:
    from lab_helpers.tools.charts.cilium import VERSIONS, CiliumChart, offered_version, resolve_version

    found = listed()
    if not found:
        raise HelmError("no repositories configured")
    wanted = call.flags["version"]
    if wanted:
        versions = [item for item in VERSIONS if resolve_version(wanted) == item]
    else:
        versions = list(VERSIONS) if call.flags["versions"] else [offered_version()]
    words = " ".join(call.args).lower()
    rows = [
        (f"{item.name}/cilium", chart.version, chart.app_version, chart.description)
        for item in found
        if item.known
        for chart in map(CiliumChart, versions)
        if words in f"{item.name}/cilium {chart.description}".lower()
    ]
    output = call.flags["output"]
    if output != "table":
        keys = ("name", "version", "app_version", "description")
        call.stdout.write(structured([dict(zip(keys, row, strict=True)) for row in rows], output))
    elif rows:
        call.stdout.write(table([("NAME", "CHART VERSION", "APP VERSION", "DESCRIPTION"), *rows], widest=50))
    else:
        call.stdout.write("No results found\n")


def _hub(_: Invocation) -> None:
    raise HelmError("search hub: the helm bundled with cilium-labs reaches no network; use 'helm search repo'")
