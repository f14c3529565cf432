"""A release's manifest: YAML documents, each with the template it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab_helpers.tools.charts import Manifest
from lab_helpers.tools.helm.applying import in_install_order

__all__ = ["manifest_bodies", "manifest_text", "yaml_text"]


def yaml_text(value: Any) -> str:
    """YAML as helm prints it (sigs.k8s.io/yaml)."""
    from lab_helpers.tools.kubectl.output.yamltexts import yaml_text as text

    return text(value)


def manifest_text(manifests: Sequence[Manifest]) -> str:
    """All documents in the order of installation."""
    sources = {id(item.body): item.source for item in manifests}
    ordered = in_install_order(item.body for item in manifests)
    return "".join(f"---\n# Source: {sources[id(body)]}\n{yaml_text(body)}" for body in ordered)


def manifest_bodies(text: str) -> list[dict[str, Any]]:
    """The objects in a manifest."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [body for body in yaml.load_all(text, Loader=loader) if body]
