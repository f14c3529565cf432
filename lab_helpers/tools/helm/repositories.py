"""Chart repositories the learner added: helm's own ``repositories.yaml``, in helm's own place.

The bundled helm has one repository built in, Cilium's; adding it writes the file, looking into it needs no network.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from lab_helpers.tools.helm.errors import HelmError
from lab_helpers.tools.helm.manifests import yaml_text

__all__ = ["CILIUM_URLS", "OCI", "Repository", "add", "config_file", "listed", "remove"]

CILIUM_URLS = ("https://helm.cilium.io", "https://charts.cilium.io")
OCI = "oci://quay.io/cilium/charts/cilium"


class Repository(NamedTuple):
    """A name for a repository's URL."""

    name: str
    url: str

    @property
    def known(self) -> bool:
        """Its charts are built in."""
        return self.url.rstrip("/") in CILIUM_URLS


def config_file() -> Path:
    """``HELM_REPOSITORY_CONFIG``, or ``repositories.yaml`` in helm's configuration folder of this system."""
    explicit = os.environ.get("HELM_REPOSITORY_CONFIG")
    if explicit:
        return Path(explicit)
    folder = os.environ.get("HELM_CONFIG_HOME")
    if folder:
        return Path(folder) / "repositories.yaml"
    base = os.environ.get("XDG_CONFIG_HOME")
    if base:
        return Path(base) / "helm" / "repositories.yaml"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Preferences" / "helm" / "repositories.yaml"
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home()) / "helm" / "repositories.yaml"
    return Path.home() / ".config" / "helm" / "repositories.yaml"


def _read() -> dict[str, Any]:
    path = config_file()
    if not path.is_file():
        return {"apiVersion": "", "repositories": []}
    import yaml

    try:
        found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise HelmError(f"couldn't load repositories file ({path}): {error}") from error
    return found


def _write(content: dict[str, Any]) -> None:
    path = config_file()
    content["generated"] = datetime.now(UTC).isoformat()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        fresh.write_text(yaml_text(content), encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        raise HelmError(f"could not write the repositories file {path}: {error.strerror or error}") from error


def listed() -> list[Repository]:
    """The repositories in the order they were added."""
    return [Repository(item["name"], item.get("url", "")) for item in _read().get("repositories") or ()]


def add(name: str, url: str, *, force: bool = False) -> bool:
    """Add a repository; False when it is there with the same URL already. Raises HelmError."""
    content = _read()
    entries = content.setdefault("repositories", None) or []
    found = next((item for item in entries if item["name"] == name), None)
    if found is not None and not force:
        if found.get("url", "").rstrip("/") == url.rstrip("/"):
            return False
        raise HelmError(f"repository name ({name}) already exists, please specify a different name")
    if "/" in name:
        raise HelmError(f"repository name ({name}) contains '/', please specify a different name without '/'")
    if not Repository(name, url).known:
        raise HelmError(
            f'looks like "{url}" is not a valid chart repository or cannot be reached: the helm bundled with '
            f"cilium-labs knows {CILIUM_URLS[0]}/ only"
        )
    entries = [item for item in entries if item["name"] != name]
    entries.append({"name": name, "url": url})
    content["repositories"] = entries
    _write(content)
    return True


def remove(name: str) -> None:
    """Forget a repository. Raises HelmError for an unknown one."""
    content = _read()
    entries = content.get("repositories") or []
    kept = [item for item in entries if item["name"] != name]
    if not entries:
        raise HelmError("no repositories configured")
    if len(kept) == len(entries):
        raise HelmError(f'no repo named "{name}" found')
    content["repositories"] = kept
    _write(content)
