"""Namespaces, ConfigMaps, Secrets, ServiceAccounts."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from lab_helpers.tools.kubectl.describing.pages import Page

Body = Mapping[str, Any]


def namespace(page: Page, body: Body, quotas: Sequence[Body] | None, limits: Sequence[Body] | None) -> None:
    """A Namespace with its ResourceQuotas and LimitRanges (None: the server has no such type)."""
    page.head(body, namespace=False)
    page.tags(body)
    status = body.get("status") or {}
    page.line(0, f"Status:\t{status.get('phase', '')}")
    if status.get("conditions"):
        page.line(0, "Conditions:")
        page.line(1, "Type\tStatus\tLastTransitionTime\tReason\tMessage")
        page.line(1, "----\t------\t------------------\t------\t-------")
        for item in status["conditions"]:
            page.line(
                1,
                f"{item.get('type')}\t{item.get('status')}\t{item.get('lastTransitionTime')}\t"
                f"{item.get('reason', '')}\t{item.get('message', '')}",
            )
    for items, title, nothing in (
        (quotas, "Resource Quotas", "No resource quota."),
        (limits, "Resource Limits", "No LimitRange resource."),
    ):
        if items is not None:
            page.line(0, "")
            page.line(0, f"{title}:" if items else nothing)
            for item in items:
                page.line(1, f"Name:\t{item['metadata']['name']}")


def configmap(page: Page, body: Body) -> None:
    """A ConfigMap."""
    page.head(body)
    page.tags(body)
    page.raw("\nData\n====\n")
    data = body.get("data") or {}
    for key in sorted(data):
        page.raw(f"{key}:\n----\n{data[key]}\n\n")
    page.raw("\nBinaryData\n====\n")
    binary = body.get("binaryData") or {}
    for key in sorted(binary):
        page.line(0, f"{key}: {len(base64.b64decode(binary[key]))} bytes")
    page.line(0, "")


def secret(page: Page, body: Body) -> None:
    """A Secret: sizes only, except for tokens."""
    page.head(body)
    page.tags(body)
    page.line(0, "")
    page.line(0, f"Type:\t{body.get('type', 'Opaque')}")
    page.raw("\nData\n====\n")
    data = body.get("data") or {}
    for key in sorted(data):
        value = base64.b64decode(data[key] or "")
        if key == "token" and body.get("type") == "kubernetes.io/service-account-token":
            page.line(0, f"{key}:\t{value.decode('utf-8', 'replace')}")
        else:
            page.line(0, f"{key}:\t{len(value)} bytes")


def service_account(page: Page, body: Body) -> None:
    """A ServiceAccount."""
    page.head(body)
    page.tags(body)
    for title, items in (
        ("Image pull secrets", body.get("imagePullSecrets") or []),
        ("Mountable secrets", body.get("secrets") or []),
        ("Tokens", []),
    ):
        if not items:
            page.line(0, f"{title}:\t<none>")
        for index, item in enumerate(items):
            head = f"{title}:" if index == 0 else ""
            page.line(0, f"{head}\t{item.get('name')}")
