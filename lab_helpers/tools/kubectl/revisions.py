"""Earlier versions of workloads: a Deployment's ReplicaSets, the ControllerRevisions of others."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from lab_helpers.tools.rest.clients import JSON_PATCH, STRATEGIC_PATCH

_REVISION = "deployment.kubernetes.io/revision"
_CAUSE = "kubernetes.io/change-cause"
_HASH = "pod-template-hash"

Body = dict[str, Any]


class Revision(NamedTuple):
    """One version: its number, why it was made ("" unknown), its pod template, and what brings it back."""

    number: int
    cause: str
    template: Body
    source: Body


def history_of(kind: str, owned: Sequence[Body]) -> list[Revision]:
    """The versions, oldest first."""
    out = []
    for item in owned:
        annotations = item["metadata"].get("annotations") or {}
        if kind == "Deployment":
            number, template = int(annotations.get(_REVISION) or 0), item["spec"]["template"]
        else:
            number, template = (
                int(item.get("revision") or 0),
                ((item.get("data") or {}).get("spec") or {}).get("template") or {},
            )
        out.append(Revision(number, str(annotations.get(_CAUSE, "")), template, item))
    return sorted(out, key=lambda revision: revision.number)


def revision_of(kind: str, body: Body, history: Sequence[Revision]) -> int:
    """The number of the version an object has now (0: unknown)."""
    if kind == "Deployment":
        return int((body["metadata"].get("annotations") or {}).get(_REVISION) or 0)
    return max((revision.number for revision in history), default=0)


def rollback_patch(kind: str, revision: Revision) -> tuple[Any, str]:
    """The patch that brings a version back, and its content type."""
    if kind == "Deployment":
        template = _bare(revision.template)
        annotations = {
            key: value
            for key, value in (revision.source["metadata"].get("annotations") or {}).items()
            if key not in (_REVISION, "deployment.kubernetes.io/revision-history",
                           "deployment.kubernetes.io/desired-replicas",
                           "deployment.kubernetes.io/max-replicas", "kubectl.kubernetes.io/last-applied-configuration",
                           "deprecated.deployment.rollback.to")
        }  # fmt: skip
        return (
            [
                {"op": "replace", "path": "/spec/template", "value": template},
                *([{"op": "replace", "path": "/metadata/annotations", "value": annotations}] if annotations else []),
            ],
            JSON_PATCH,
        )
    return revision.source.get("data") or {}, STRATEGIC_PATCH


def _bare(template: Body) -> Body:
    meta = template.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != _HASH}
    return {**template, "metadata": {**meta, "labels": labels}}


def template_text(template: Body) -> str:
    """A pod template as describe prints it, its tabs left as they are."""
    from lab_helpers.tools.kubectl.describing.containers import template as write
    from lab_helpers.tools.kubectl.describing.pages import Page

    page = Page()
    write(page, template)
    return page.unaligned()
