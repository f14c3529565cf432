"""What every test may use."""

from __future__ import annotations

import signal
import tracemalloc  # noqa: F401  # pytest imports it while garbage is collected; Python 3.11 fails if that is amid an import
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# how fast the machine is today is no property of the code
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("clusters", "which cluster tests/clusters/contract runs against")
    group.addoption("--backend", choices=("twin", "kind", "existing"), default="twin", help="default: a private twin")
    group.addoption("--context", default="", help="context of the kubeconfig, for --backend existing")
    group.addoption("--kubeconfig", default="", help="kubeconfig for --backend existing (default: KUBECONFIG)")


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts what runs in its background with SIGINT ignored, and programs pass that on; here they get Ctrl-C.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    backend = config.getoption("--backend")
    if backend != "twin" and getattr(config.option, "numprocesses", None):
        raise pytest.UsageError(f"--backend {backend} is one cluster for all tests: run without -n")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Recorded behaviour of Cilium's own code, kept beside the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"recorded conformance data is not at {SHARED}")
    return SHARED
