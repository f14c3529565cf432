"""What every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Recorded behaviour of Cilium's own code, kept beside the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"recorded conformance data is not at {SHARED}")
    return SHARED
