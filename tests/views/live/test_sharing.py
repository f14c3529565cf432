"""Views of one cluster share what follows it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lab_helpers.views.identities.following import endpoints_of
from lab_helpers.views.live.following import follower_of
from lab_helpers.views.live.sharing import PerCluster


def cluster(folder: Path, context: str = "kind-one") -> Any:
    return SimpleNamespace(state_dir=folder, context=context)


def test_one_for_each_cluster(tmp_path: Path) -> None:
    made = PerCluster(lambda find: [find])
    first = made.of(cluster(tmp_path))
    assert made.of(cluster(tmp_path)) is first
    assert made.of(cluster(tmp_path, "kind-two")) is not first
    assert made.of(cluster(tmp_path / "elsewhere")) is not first


def test_flows_and_endpoints_have_followers_of_their_own(tmp_path: Path) -> None:
    assert follower_of(cluster(tmp_path)) is follower_of(cluster(tmp_path))
    assert endpoints_of(cluster(tmp_path)) is endpoints_of(cluster(tmp_path))
    assert endpoints_of(cluster(tmp_path)) is not follower_of(cluster(tmp_path))
