"""The chart ``cilium/cilium``: the objects that Cilium's own chart writes, made from the same values.

Names, labels, values and keys are those of install/kubernetes/cilium in github.com/cilium/cilium; the code is ours.
"""

from lab_helpers.tools.charts.cilium.charts import CiliumChart
from lab_helpers.tools.charts.cilium.versions import DEFAULT, VERSIONS, Version, offered_version, resolve_version

__all__ = ["DEFAULT", "VERSIONS", "CiliumChart", "Version", "offered_version", "resolve_version"]
