"""Namespaces and service accounts."""

from typing import Any

from lab_helpers.tools.goflags import Command
from lab_helpers.tools.kubectl.creations.objects import create_command
from lab_helpers.tools.kubectl.sessions import Session

__all__ = ["namespace", "service_account"]

Body = dict[str, Any]


def namespace() -> Command:
    """``create namespace``."""

    def make(_session: Session, name: str) -> Body:
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {}, "status": {}}

    return create_command(
        "namespace NAME",
        "Create a namespace",
        "# A namespace called shop\nkubectl create namespace shop",
        make,
        ("ns",),
    )


def service_account() -> Command:
    """``create serviceaccount``."""

    def make(_session: Session, name: str) -> Body:
        return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}

    return create_command(
        "serviceaccount NAME",
        "Create a service account",
        "# A service account called probe\nkubectl create serviceaccount probe",
        make,
        ("sa",),
    )
