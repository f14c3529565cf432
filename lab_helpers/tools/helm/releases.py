"""Releases as a Python API: what ``helm install``, ``upgrade``, ``rollback`` and ``uninstall`` do, without the
command line.

Use it like this::

    helm = Helm.connect(client, "kube-system")            # lab_helpers.tools.rest.Client
    release = helm.install("cilium", find_chart("cilium", "1.20.2"), {"hubble": {"relay": {"enabled": True}}})
    release = helm.upgrade("cilium", chart, {...}, values_from=ValuesFrom.RESET_THEN_REUSE, wait=300)

``wait`` is a number of seconds, None for no waiting. Everything raises HelmError, ChartError or RestError.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Mapping
from typing import Any

from lab_helpers.tools.charts import Chart, Rendered
from lab_helpers.tools.helm.applying import Cluster, Identity, Paths, identity, in_install_order, owned
from lab_helpers.tools.helm.errors import HelmError, NotFoundError
from lab_helpers.tools.helm.manifests import manifest_bodies, manifest_text
from lab_helpers.tools.helm.records import Release, now
from lab_helpers.tools.helm.settings import covered, merged
from lab_helpers.tools.helm.storing import Api, Storage
from lab_helpers.tools.helm.waiting import Patience, wait_for, wait_gone
from lab_helpers.tools.rest.errors import ApiError

__all__ = ["Helm", "ValuesFrom", "namespace_body"]

Values = Mapping[str, Any]
Body = dict[str, Any]
MAX_HISTORY = 10


class ValuesFrom(enum.Enum):
    """What an upgrade takes over from the release before."""

    DEFAULT = "the former values if no new ones are given, else none"
    RESET = "nothing"
    REUSE = "the former values, and the former chart's defaults"
    RESET_THEN_REUSE = "the former values over the new chart's defaults"


def namespace_body(name: str) -> Body:
    """The Namespace that ``--create-namespace`` makes."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"name": name}}}


class Helm:
    """The releases of one namespace."""

    def __init__(self, api: Api, paths: Paths, namespace: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._api = api
        self._cluster = Cluster(api, paths)
        self._sleep = sleep
        self.namespace = namespace
        self.storage = Storage(api, namespace)

    @classmethod
    def connect(cls, client: Any, namespace: str = "") -> Helm:
        """For a ``lab_helpers.tools.rest.Client``; the namespace is the client's when empty."""
        from lab_helpers.tools.rest import Catalogue

        catalogue = Catalogue(client)

        def paths(api_version: str, kind: str, where: str, name: str) -> str:
            return catalogue.of_kind(api_version, kind).path(where, name)

        return cls(client, paths, namespace or client.namespace)

    # --- install ---

    def install(
        self,
        name: str,
        chart: Chart,
        values: Values,
        *,
        create_namespace: bool = False,
        dry_run: bool = False,
        wait: float | None = None,
        atomic: bool = False,
        description: str = "",
    ) -> Release:
        """Install a chart as revision 1 (or after an uninstall that kept the history)."""
        former = self.storage.all(name)
        if former:
            raise HelmError("cannot reuse a name that is still in use")
        release, bodies = self._render(name, chart, values, version=1, status="pending-install")
        release.description = "Initial install underway"
        if dry_run:
            release.description = "Dry run complete"
            return release
        adopted = self._cluster.conflicts(bodies, name, self.namespace, verb="install")
        if create_namespace:
            self._create_namespace()
        try:
            self.storage.create(release)
        except ApiError as error:
            raise HelmError(f"create: failed to create: {error}") from error
        try:
            self._write(name, bodies, {}, adopted)
            self._wait(bodies, wait)
        except Exception as error:
            self._failed(release, f'Release "{name}" failed: {error}')
            if atomic:
                self.uninstall(name)
                raise HelmError(
                    f"release {name} failed, and has been uninstalled due to atomic being set: {error}"
                ) from error
            raise
        release.status, release.description = "deployed", description or "Install complete"
        self.storage.update(release)
        return release

    def _create_namespace(self) -> None:
        try:
            self._api.post("/api/v1/namespaces", namespace_body(self.namespace))
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    # --- upgrade and rollback ---

    def upgrade(
        self,
        name: str,
        chart: Chart,
        values: Values,
        *,
        values_from: ValuesFrom = ValuesFrom.DEFAULT,
        dry_run: bool = False,
        wait: float | None = None,
        atomic: bool = False,
        max_history: int = MAX_HISTORY,
        description: str = "",
    ) -> Release:
        """Replace the deployed revision by a new one."""
        history = self._history_for_upgrade(name)
        last, current = history[-1], self._deployed(name, history)
        defaults, config = _carried(values, current, values_from)
        release, bodies = self._render(
            name, chart, config, version=last.version + 1, status="pending-upgrade", defaults=defaults
        )
        release.first_deployed = current.first_deployed
        release.description = "Preparing upgrade"
        if dry_run:
            release.description = "Dry run complete"
            return release
        try:
            self._replace(current, release, bodies, wait)
        except Exception as error:
            if not atomic:
                raise
            self.rollback(name, current.version, wait=wait)
            raise HelmError(
                f"release {name} failed, and has been rolled back due to atomic being set: {error}"
            ) from error
        return self._settle(history, release, max_history, description or "Upgrade complete")

    def rollback(self, name: str, version: int = 0, *, wait: float | None = None, dry_run: bool = False) -> Release:
        """Make a new revision from an older one (0: the one before the newest)."""
        history = self.storage.history(name)
        current = history[-1]
        wanted = version or current.version - 1
        target = next((item for item in history if item.version == wanted), None)
        if target is None:
            if not version:
                raise NotFoundError
            raise HelmError(f"release has no {wanted} version")
        release = Release(
            name=name,
            namespace=self.namespace,
            version=current.version + 1,
            status="pending-rollback",
            description=f"Rollback to {wanted}",
            manifest=target.manifest,
            notes=target.notes,
            config=target.config,
            chart=target.chart,
            values=target.values,
            first_deployed=current.first_deployed,
        )
        if dry_run:
            return release
        bodies = manifest_bodies(target.manifest)
        self._replace(current, release, bodies, wait)
        return self._settle(history, release, MAX_HISTORY, f"Rollback to {wanted}")

    def _history_for_upgrade(self, name: str) -> list[Release]:
        try:
            history = self.storage.history(name)
        except NotFoundError:
            raise HelmError(f'"{name}" has no deployed releases') from None
        if history[-1].status.startswith("pending-"):
            raise HelmError("another operation (install/upgrade/rollback) is in progress")
        return history

    def _deployed(self, name: str, history: list[Release]) -> Release:
        for release in reversed(history):
            if release.status == "deployed":
                return release
        if history[-1].status in ("failed", "superseded"):
            return history[-1]
        raise HelmError(f'"{name}" has no deployed releases')

    def _replace(self, current: Release, release: Release, bodies: list[Body], wait: float | None) -> None:
        former = {identity(body): body for body in manifest_bodies(current.manifest)}
        new = [body for body in bodies if identity(body) not in former]
        adopted = self._cluster.conflicts(new, release.name, self.namespace, verb="update")
        self.storage.create(release)
        wished = {identity(body) for body in bodies}
        try:
            self._write(release.name, bodies, former, adopted)
            gone = [body for which, body in former.items() if which not in wished]
            self._remove(gone)
            self._wait(bodies, wait)
        except Exception as error:
            verb = "Rollback" if release.status == "pending-rollback" else "Upgrade"
            self._failed(release, f'{verb} "{release.name}" failed: {error}')
            raise

    def _settle(self, history: list[Release], release: Release, max_history: int, words: str) -> Release:
        """The new revision is the deployed one; the oldest are forgotten."""
        for former in history:
            if former.status == "deployed":
                former.status = "superseded"
                self.storage.update(former)
        release.status, release.description = "deployed", words
        self.storage.update(release)
        surplus = len(history) + 1 - max_history if max_history else 0
        for former in history[: max(surplus, 0)]:
            self.storage.delete(former)
        return release

    # --- uninstall ---

    def uninstall(self, name: str, *, keep_history: bool = False, wait: float | None = None) -> Release:
        """Delete a release's objects, and its history unless that is kept."""
        try:
            history = self.storage.history(name)
        except NotFoundError as error:
            raise NotFoundError(f"uninstall: Release not loaded: {name}: release: not found") from error
        last = history[-1]
        if last.status == "uninstalled":
            if keep_history:
                raise HelmError(f'the release named "{name}" is already deleted')
            for release in history:
                self.storage.delete(release)
            return last
        last.status, last.deleted = "uninstalling", now()
        last.description = "Deletion in progress (or silently failed)"
        self.storage.update(last)
        bodies = manifest_bodies(last.manifest)
        problems = self._cluster.remove(bodies)
        if wait is not None:
            wait_gone(self._cluster, bodies, Patience(wait, sleep=self._sleep))
        last.status, last.description = "uninstalled", "Uninstallation complete"
        if keep_history:
            self.storage.update(last)
        else:
            for release in history:
                self.storage.delete(release)
        if problems:
            raise HelmError(f"uninstallation completed with {len(problems)} error(s): {'; '.join(problems)}")
        return last

    # --- shared steps ---

    def _render(
        self,
        name: str,
        chart: Chart,
        config: Values,
        *,
        version: int,
        status: str,
        defaults: Values | None = None,
    ) -> tuple[Release, list[Body]]:
        base = dict(chart.defaults() if defaults is None else defaults)
        rendered: Rendered = chart.render(covered(base, config), namespace=self.namespace, lookup=self._lookup)
        release = Release(
            name=name,
            namespace=self.namespace,
            version=version,
            status=status,
            description="",
            manifest=manifest_text(rendered.manifests),
            notes=rendered.notes,
            config=dict(config),
            chart=chart.metadata(),
            values=base,
        )
        return release, [item.body for item in rendered.manifests]

    def _lookup(self, kind: str, namespace: str, name: str) -> Body | None:
        return self._cluster.find(Identity("v1", kind, namespace, name))

    def _write(
        self, name: str, bodies: list[Body], former: Mapping[Identity, Body], adopted: Mapping[Identity, Body]
    ) -> None:
        for body in in_install_order(bodies):
            which = identity(body)
            marked = owned(body, name, self.namespace)
            live = adopted.get(which) or (self._cluster.find(which) if which in former else None)
            if live is None:
                self._cluster.create(marked)
            else:
                self._cluster.change(former.get(which, {}), marked, live)

    def _remove(self, bodies: list[Body]) -> None:
        problems = self._cluster.remove(bodies)
        if problems:
            raise HelmError("; ".join(problems))

    def _wait(self, bodies: list[Body], wait: float | None) -> None:
        if wait is not None:
            wait_for(self._cluster, bodies, Patience(wait, sleep=self._sleep))

    def _failed(self, release: Release, description: str) -> None:
        release.status, release.description = "failed", description
        self.storage.update(release)


def _carried(values: Values, current: Release, values_from: ValuesFrom) -> tuple[Values | None, Values]:
    """The defaults to use (None: the new chart's) and the user's values, by what is taken over."""
    match values_from:
        case ValuesFrom.RESET:
            return None, values
        case ValuesFrom.REUSE:
            return covered(current.values, current.config), merged(current.config, values)
        case ValuesFrom.RESET_THEN_REUSE:
            return None, merged(current.config, values)
    return None, values or current.config
