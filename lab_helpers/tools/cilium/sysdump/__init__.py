"""``cilium sysdump``: what is collected, how, and the archive (cilium-cli sysdump)."""

from lab_helpers.tools.cilium.sysdump.collecting import build

__all__ = ["build"]
