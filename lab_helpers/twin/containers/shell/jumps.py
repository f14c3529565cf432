"""How ``exit``, ``break``, ``continue`` and ``return`` leave what is running: control flow, not errors."""

from __future__ import annotations

__all__ = ["BreakLoop", "ContinueLoop", "ExitShell", "ReturnFrom"]


class ExitShell(Exception):
    """``exit``."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class BreakLoop(Exception):
    """``break n``."""

    def __init__(self, levels: int) -> None:
        super().__init__(levels)
        self.levels = levels


class ContinueLoop(BreakLoop):
    """``continue n``."""


class ReturnFrom(Exception):
    """``return``."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code
