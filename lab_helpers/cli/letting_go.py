"""Leaving a cluster that is somebody's own as it was found."""

from __future__ import annotations

from pathlib import Path

from lab_helpers.clusters import Cluster

__all__ = ["clean_up"]


def clean_up(cluster: Cluster) -> list[str]:
    """Remove what the labs made: what they applied outside their namespaces, then the namespaces. Returns the names.

    Raises ClusterError, CourseError.
    """
    from lab_helpers.clusters.existing import marked_namespaces, remove_marked
    from lab_helpers.course.api import Api
    from lab_helpers.course.records import Records, progress_file

    removed = []
    api = Api(cluster.api())
    try:
        system = api.get("Namespace", "kube-system")
        incarnation = str(system["metadata"]["uid"]) if system else ""
        records = Records(progress_file(Path(cluster.state_dir)))
        ours = set(marked_namespaces(cluster))
        for item in records.applied(incarnation):
            gone_with_namespace = item.namespace in ours or (item.kind == "Namespace" and item.name in ours)
            if not gone_with_namespace and api.get(item.kind, item.name, item.namespace) is not None:
                api.delete(item.kind, item.name, item.namespace)
                removed.append(f"{item.kind} {item.name}")
        removed += [f"namespace {name}" for name in remove_marked(cluster)]
        records.cleaned(incarnation)
    finally:
        api.close()
    return removed
