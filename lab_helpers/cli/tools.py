"""``cilium-labs tools``: the real kind, kubectl, helm, cilium and hubble."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lab_helpers.clusters import default_home

if TYPE_CHECKING:
    from lab_helpers.clusters.tools.installing import Progress

__all__ = ["download_progress", "tools"]


@click.group()
def tools() -> None:
    """Install the real kind, kubectl, helm, cilium and hubble, verified, for real clusters.

    The embedded cluster needs none of them.

    \b
    Examples:
      cilium-labs tools list
      cilium-labs tools install
      cilium-labs tools install kind helm
      CILIUM_LABS_MIRROR=https://mirror.school/get cilium-labs tools install
      CILIUM_LABS_BUNDLE=/media/usb/cilium-labs.tar cilium-labs tools install
      export PATH="$(cilium-labs tools path):$PATH"
    """


@tools.command()
@click.argument("names", nargs=-1, metavar="[TOOL]...")
@click.option(
    "--lock",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that records sums (default: in the state folder; also CILIUM_LABS_TOOLS_LOCK).",
)
def install(names: tuple[str, ...], lock: Path | None) -> None:
    """Fetch tools and their publishers' checksum files, verify, and put them into the state folder.

    Sums are recorded in a lock; later installations must match it. An interrupted download goes on where it stopped.

    \b
    Examples:
      cilium-labs tools install
      cilium-labs tools install kubectl
    """
    from lab_helpers.clusters.tools import Installer, ToolError, link_tools

    home = default_home().prepare()
    with download_progress() as progress:
        installer = Installer.of(home, lock=lock, progress=progress)
        failed: list[tuple[str, ToolError]] = []
        for name in names or tuple(installer.catalogue.tools):
            try:
                report = installer.install(name)
            except ToolError as error:
                failed.append((name, error))
                click.echo(f"✖ {name}: {error}", err=True)
            else:
                click.echo(f"✔ {report.tool} {report.version} {report.how}: {report.path}")
    if (home.chosen() or {}).get("backend", "twin") != "twin":
        link_tools(home)
    if failed:
        raise click.ClickException(f"{len(failed)} of the tools could not be installed")


@tools.command("list")
def list_tools() -> None:
    """Show versions, what is installed, and what its sum was.

    \b
    Example:
      cilium-labs tools list
    """
    from lab_helpers.clusters.tools import Installer, ToolError

    home = default_home()
    installer = Installer.of(home)
    click.echo(f"{'TOOL':<8} {'VERSION':<9} {'STATE':<14} SHA-256 OF THE PROGRAM")
    for tool in installer.catalogue.tools.values():
        try:
            asset = tool.asset(installer.platform)
        except ToolError as error:
            click.echo(f"{tool.name:<8} {tool.version:<9} {'not published':<14} {error.what}")
            continue
        locked = installer.lock.find(asset.key)
        state = "installed" if installer.place(asset).is_file() else "-"
        click.echo(f"{tool.name:<8} {tool.version:<9} {state:<14} {locked[0].program if locked else 'not seen yet'}")


@tools.command()
@click.argument("name", required=False, metavar="[TOOL]")
def path(name: str | None) -> None:
    """Print where a tool is, or the folders of all installed ones (for PATH).

    \b
    Example:
      cilium-labs tools path kind
    """
    from lab_helpers.clusters.tools import Installer, ToolError

    installer = Installer.of(default_home())
    if name:
        found = installer.installed(name)
        if found is None:
            raise ToolError(f"{name} is not installed", try_=f"cilium-labs tools install {name}")
        click.echo(str(found))
        return
    wanted = [tool.name for tool in installer.catalogue.tools.values() if str(installer.platform) in tool.platforms]
    folders = [str(found.parent) for name in wanted if (found := installer.installed(name))]
    if not folders:
        raise ToolError("no tool is installed", try_="cilium-labs tools install")
    click.echo(os.pathsep.join(folders))


@contextmanager
def download_progress() -> Iterator[Progress]:
    """A bar for each download on a terminal; elsewhere nothing until it is done."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal or "CI" in os.environ:
        yield lambda _tool, _done, _all: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        rows = {}

        def tell(tool: str, done: int, total: int | None) -> None:
            if tool not in rows:
                rows[tool] = bars.add_task(tool, total=total)
            bars.update(rows[tool], completed=done, total=total)

        yield tell
