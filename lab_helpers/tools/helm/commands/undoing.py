"""``helm rollback`` and ``helm uninstall``."""

from __future__ import annotations

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.helm.commands.arguments import at_least, wait_flags
from lab_helpers.tools.helm.errors import HelmError, NotFoundError
from lab_helpers.tools.helm.sessions import helm_of, wait_of

__all__ = ["build"]


def build() -> list[Command]:
    """Both commands."""
    rollback = Command(
        "rollback <RELEASE> [REVISION]",
        short="roll back a release to a previous revision",
        run=_rollback,
        args=at_least(1),
    )
    rollback.flags.bool("dry-run", False, "simulate a rollback")
    rollback.flags.bool(
        "cleanup-on-fail", False, "allow deletion of new resources created in this rollback when it fails"
    )
    rollback.flags.bool("force", False, "force resource update through delete/recreate if needed")
    rollback.flags.bool("no-hooks", False, "prevent hooks from running during rollback")
    wait_flags(rollback.flags)
    uninstall = Command(
        "uninstall RELEASE_NAME [...]",
        short="uninstall a release",
        aliases=("del", "delete", "un"),
        run=_uninstall,
        args=at_least(1),
    )
    uninstall.flags.bool("dry-run", False, "simulate a uninstall")
    uninstall.flags.bool("keep-history", False, "remove all associated resources, but retain the release history")
    uninstall.flags.bool("ignore-not-found", False, 'treat "release not found" as a successful uninstall')
    uninstall.flags.bool("no-hooks", False, "prevent hooks from running during uninstallation")
    wait_flags(uninstall.flags)
    return [rollback, uninstall]


def _rollback(call: Invocation) -> None:
    revision = 0
    if len(call.args) > 1:
        try:
            revision = int(call.args[1])
        except ValueError:
            raise HelmError(
                f'could not convert revision to a number: strconv.Atoi: parsing "{call.args[1]}": invalid syntax'
            ) from None
    helm_of(call).rollback(call.args[0], revision, wait=wait_of(call), dry_run=call.flags["dry-run"])
    call.stdout.write("Rollback was a success! Happy Helming!\n")


def _uninstall(call: Invocation) -> None:
    helm = helm_of(call)
    for name in call.args:
        try:
            if call.flags["dry-run"]:
                helm.storage.last(name)
            else:
                helm.uninstall(name, keep_history=call.flags["keep-history"], wait=wait_of(call))
        except NotFoundError:
            if not call.flags["ignore-not-found"]:
                raise
            continue
        call.stdout.write(f'release "{name}" uninstalled\n')
