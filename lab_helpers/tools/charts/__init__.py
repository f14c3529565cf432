"""Charts the bundled helm and the bundled cilium know: own implementations in Python, no templates.

Errors::

    ChartError
    ├── ValuesError        values of the wrong type (the chart's schema refuses them)
    ├── TemplateError      values the chart's checks refuse
    └── OutOfScopeError    values that switch on what the bundled chart does not render
"""

from lab_helpers.tools.charts.errors import ChartError, OutOfScopeError, TemplateError, ValuesError
from lab_helpers.tools.charts.rendering import Chart, Lookup, Manifest, Rendered, find_chart

__all__ = [
    "Chart",
    "ChartError",
    "Lookup",
    "Manifest",
    "OutOfScopeError",
    "Rendered",
    "TemplateError",
    "ValuesError",
    "find_chart",
]
