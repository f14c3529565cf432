"""How ``exit``, ``break``, ``continue`` and ``return`` leave what is running."""

from __future__ import annotations

__all__ = ["BreakLoop", "ContinueLoop", "ExitShell", "ReturnFrom"]


class ExitShell(Exception):  # noqa: N818 - control flow, not an error
    """``exit``."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class BreakLoop(Exception):  # noqa: N818 - control flow, not an error
    """``break n``."""

    def __init__(self, levels: int) -> None:
        super().__init__(levels)
        self.levels = levels


class ContinueLoop(BreakLoop):
    """``continue n``."""


class ReturnFrom(Exception):  # noqa: N818 - control flow, not an error
    """``return``."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code
