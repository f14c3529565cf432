"""What is wrong with the values given to a chart, in helm's words."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["ChartError", "OutOfScopeError", "TemplateError", "ValuesError"]


class ChartError(Exception):
    """Root of this package's errors."""


class ValuesError(ChartError):
    """Values that do not fit the chart's schema; ``problems`` name the places."""

    def __init__(self, chart: str, problems: Sequence[str]) -> None:
        lines = "".join(f"- {problem}\n" for problem in problems)
        super().__init__(
            f"values don't meet the specifications of the schema(s) in the following chart(s):\n{chart}:\n{lines}"
        )
        self.problems = tuple(problems)


class TemplateError(ChartError):
    """A check inside the chart failed. ``source`` is the template of the real chart that makes the same check."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"execution error at ({source}): {reason}")
        self.source = source
        self.reason = reason


class OutOfScopeError(ChartError):
    """The real chart could do it; the bundled one does not."""

    def __init__(self, value: str) -> None:
        super().__init__(
            f"{value}: the chart bundled with cilium-labs does not render this feature; leave the value at its "
            "default, or use the real helm on a real cluster (CILIUM_LABS_TOOLS=system)"
        )
        self.value = value
