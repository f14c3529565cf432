"""``hubble version``."""

import platform
import sys

from lab_helpers.tools.goflags import Command, Invocation

VERSION = "v1.19.4"
"""The release of the Hubble CLI whose behaviour this command has."""


def _run(invocation: Invocation) -> int:
    from importlib.metadata import PackageNotFoundError, version

    try:
        ours = version("cilium-labs")
    except PackageNotFoundError:  # run from a checkout that is not installed
        ours = "source"
    system = {"win32": "windows"}.get(sys.platform, sys.platform)
    machine = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    python = platform.python_version()
    invocation.stdout.write(f"hubble {VERSION}@cilium-labs-{ours} running with python{python} on {system}/{machine}\n")
    return 0


def version_command() -> Command:
    """The command."""
    return Command("version", short="Print the version", run=_run)
