"""The same little cluster as for containers."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_path = Path(__file__).resolve().parents[1] / "containers" / "conftest.py"
_spec = importlib.util.spec_from_file_location("twin_containers_conftest", _path)
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["twin_containers_conftest"] = _module
_spec.loader.exec_module(_module)

lab = _module.lab
client = _module.client
