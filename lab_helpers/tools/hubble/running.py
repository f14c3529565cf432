"""The command tree and its execution."""

import importlib
import os
import sys
from collections.abc import Callable
from typing import TextIO

from lab_helpers.tools.executing import execute, utf8
from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.hubble import helping
from lab_helpers.tools.hubble.connecting import debug, validate
from lab_helpers.tools.hubble.flags import global_flags, server_flags
from lab_helpers.tools.hubble.settings import Settings

_COMMANDS = {
    "completion": ("completing", "completion_command"),
    "config": ("configuring", "config_command"),
    "list": ("listing", "list_command"),
    "observe": ("observing", "observe_command"),
    "reflect": ("reflecting", "reflect_command"),
    "status": ("status", "status_command"),
    "version": ("versions", "version_command"),
    "watch": ("watching", "watch_command"),
}
_ALIASES = {"w": "watch"}


def _build(name: str) -> Command:
    module, function = _COMMANDS[name]
    make: Callable[[], Command] = getattr(importlib.import_module(f"lab_helpers.tools.hubble.{module}"), function)
    return make()


def _before(invocation: Invocation) -> None:
    settings = Settings(invocation.flags)
    if os.path.isfile(settings.config_path):
        debug(settings, "Using config file", configFile=settings.config_path)
    validate(settings)


def tree(words: list[str]) -> Command:
    """The root command. When a word names a command, only that one is built, for speed."""
    root = Command(
        "hubble",
        short="CLI",
        long="Hubble shows what Cilium saw happen on the network: who talked to whom, and what became of it.",
        silent_errors=True,
        silent_usage=True,
        before=_before,
        page=helping.page,
    )
    shared = global_flags()
    root.persistent.add_all(shared)
    root.persistent.add_all(server_flags())
    helping.register(root, shared)
    chosen = next((name for name in (_ALIASES.get(word, word) for word in words) if name in _COMMANDS), None)
    wanted = "help" not in words and "__complete" not in words and words and words[0] in (chosen, *_ALIASES)
    for name in [chosen] if chosen and wanted else list(_COMMANDS):
        root.add(_build(name))
    if not (chosen and wanted):
        from lab_helpers.tools.hubble.completing import complete_command, help_command

        root.add(help_command(root), complete_command(root))
    return root


def main(argv: list[str], stdout: TextIO | None = None, stderr: TextIO | None = None) -> int:
    """Run ``hubble`` with these words and return its exit status."""
    out, err = stdout or utf8(sys.stdout), stderr or utf8(sys.stderr)
    return execute(lambda: tree(argv).execute(argv, out, err), out, unread=0)
