"""``cilium-labs bundle``: everything a room without internet needs, in one file."""

from __future__ import annotations

import os
from pathlib import Path

import click

from lab_helpers.clusters import default_home
from lab_helpers.clusters.twins import DEFAULT_CILIUM_VERSION

__all__ = ["bundle"]


@click.command()
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path), default=Path("cilium-labs-bundle.tar"))
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    help="For whose machines: linux-amd64, darwin-arm64, … (repeatable; default: this one).",
)
@click.option("--images/--no-images", default=True, show_default=True, help="Images and the chart; needs an engine.")
@click.option("--cilium-version", default=DEFAULT_CILIUM_VERSION, show_default=True, help="Whose images and chart.")
def bundle(target: Path, platforms: tuple[str, ...], images: bool, cilium_version: str) -> None:
    """Pack the tools, Cilium's chart and all images into one .tar, for rooms without internet.

    In that room: CILIUM_LABS_BUNDLE=<the .tar> before `cilium-labs tools install` and `cilium-labs up --backend kind`.
    The embedded cluster needs no bundle. Images are those of this machine's processor.

    \b
    Examples:
      cilium-labs bundle
      cilium-labs bundle /media/usb/room.tar --platform linux-amd64 --platform windows-amd64
      cilium-labs bundle --no-images
    """
    from lab_helpers.cli.tools import download_progress
    from lab_helpers.clusters.kind import bundling
    from lab_helpers.clusters.kind.engines import find_engine
    from lab_helpers.clusters.kind.steps import reporter
    from lab_helpers.clusters.tools import Installer, Platform, this_platform
    from lab_helpers.clusters.tools.catalogues import load_catalogue
    from lab_helpers.course.images import course_images

    home = default_home().prepare()
    wanted = [Platform.parse(text) for text in platforms] or [this_platform()]
    report = reporter()
    engine = None
    if images:
        engine = find_engine()
        engine.info()  # without an engine nothing is begun
    folder = home.path / "bundling"
    with download_progress() as progress:
        installer = Installer.of(home, progress=progress)
        facts: dict[str, object] = {
            "platforms": [str(platform) for platform in wanted],
            "tools": bundling.add_tools(folder, installer, wanted, report),
        }
    if engine is not None:
        chart = bundling.add_chart(folder, home, cilium_version, report, os.environ)
        pods = [*bundling.chart_images(chart, home, os.environ), *course_images()]
        facts |= bundling.add_images(folder, engine, load_catalogue().node_image, pods, report, os.environ)
        facts["cilium"] = cilium_version
    size = bundling.pack(folder, target, facts)
    click.echo(f"{target} ({size / 2**20:.0f} MiB): {'tools, chart, images' if images else 'tools'}")
    click.echo(f"there:  CILIUM_LABS_BUNDLE={target.name} cilium-labs tools install")
