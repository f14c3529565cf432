"""Hubble's output: flows, agent and debug events and node states as compact lines, blocks, tables or JSON.

`Printer` writes to a text stream; `Options` says how. Follows Cilium ``hubble/pkg/printer`` (1.19).
"""

from lab_helpers.hubble.printing.options import Options, Output
from lab_helpers.hubble.printing.printers import Printer

__all__ = ["Options", "Output", "Printer"]
