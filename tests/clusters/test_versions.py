"""Which Cilium a twin may be brought up for."""

from __future__ import annotations

import pytest

from lab_helpers.clusters.errors import Unsupported
from lab_helpers.clusters.twins import playable
from lab_helpers.policy.configs import Version


@pytest.mark.parametrize(
    ("text", "version"), [("1.19.8", "1.19.8"), ("v1.19.8", "1.19.8"), ("1.19", "1.19.8"), ("1.20.x", "1.20.2")]
)
def test_playable(text: str, version: str) -> None:
    assert playable(text) == version


@pytest.mark.parametrize("text", ["1.17", "1.18.14", "1.21.0", "1.19.99", "latest", "1.19.8.1"])
def test_an_unknown_version_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(Unsupported, match=r"(?s)does not play Cilium .*1\.20\.2, 1\.20\.0, 1\.19\.8, 1\.19\.6"):
        playable(text)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.19.8", Version.V1_19),
        ("v1.20.2", Version.V1_20),
        ("1.18.14", Version.V1_19),
        ("1.21.0-pre.0", Version.V1_20),
        ("", Version.V1_20),
        ("latest", Version.V1_20),
    ],
)
def test_versions_nobody_knows_behave_like_their_neighbours(text: str, version: Version) -> None:
    assert Version.of(text) is version
