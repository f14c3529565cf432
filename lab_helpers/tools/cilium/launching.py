"""From command line to exit status."""

import importlib
import sys
from typing import TextIO

from lab_helpers.tools.cilium.errors import CiliumError, not_bundled
from lab_helpers.tools.cilium.sessions import add_options
from lab_helpers.tools.executing import execute, utf8
from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.goflags.guarding import guard
from lab_helpers.tools.rest.errors import RestError

_REFUSED = {
    "completion": "type commands in full",
    "features": "read cilium-config with cilium config view",
    "multicast": "use cilium-dbg in an agent",
}
_MODULES = {
    "install": "installing",
    "upgrade": "installing",
    "uninstall": "installing",
    "status": "reporting",
    "version": "versions",
    "config": "configuring",
    "hubble": "hubbling",
    "connectivity": "testing",
    "sysdump": "sysdump",
    "encryption": "examining",
    "bgp": "examining",
    "clustermesh": "examining",
}
"""Which module builds a command: reading all of them costs a quick command more than its own work."""


def root(first: str = "") -> Command:
    """The tree of commands; of the command ``first`` alone when it is one of them."""
    command = Command(
        "cilium",
        short="Cilium provides eBPF-based networking, observability and security for Kubernetes",
        long="CLI to install, manage, & troubleshooting Cilium clusters running Kubernetes.\n\n"
        "This small cilium is bundled with cilium-labs; CILIUM_LABS_TOOLS=system uses the real one instead.",
        example="""# Install Cilium in the current Kubernetes context
cilium install

# Check status of Cilium
cilium status --wait

# Perform a connectivity test
cilium connectivity test""",
    )
    command.silent_usage = command.silent_errors = True
    add_options(command.persistent)
    names = (_MODULES[first],) if first in _MODULES else dict.fromkeys(_MODULES.values())
    for name in names:
        for child in importlib.import_module(f"lab_helpers.tools.cilium.{name}").build():
            command.add(child)
    for name, instead in _REFUSED.items():
        command.add(_refused(name, instead))
    guard(command, _ours, _shown)
    return command


def _shown(error: Exception) -> str:
    """What failed for good stands apart, after an empty line; what a command line or a test says is shown as it is."""
    text = str(error)
    return f"\nError: {text}" if text.startswith("Unable to ") else text


def _refused(name: str, instead: str) -> Command:
    def refuse(_call: Invocation) -> int:
        raise not_bundled(f"cilium {name}", instead)

    child = Command(name, short="(not bundled)", run=refuse)
    child.flags.ignore_unknown = True
    return child


def _ours(error: Exception) -> bool:
    if isinstance(error, (CiliumError, RestError)):
        return True
    from lab_helpers.tools.charts import ChartError
    from lab_helpers.tools.helm.errors import HelmError

    return isinstance(error, (ChartError, HelmError))


def main(words: list[str], out: TextIO | None = None, err: TextIO | None = None) -> int:
    """Run ``cilium`` with these words; returns the exit status."""
    out, err = out or utf8(sys.stdout), err or utf8(sys.stderr)
    return execute(lambda: root(words[0] if words else "").execute(words, out, err), out, unread=1)
