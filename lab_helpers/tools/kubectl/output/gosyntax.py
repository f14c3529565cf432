"""Values as Go's ``%#v`` prints them, for messages that show an object."""

from typing import Any

from lab_helpers.tools.goflags import go_quote


def go_value(value: Any) -> str:
    """JSON types in Go syntax."""
    if isinstance(value, dict):
        return (
            "map[string]interface {}{"
            + ", ".join(f"{go_quote(key)}:{go_value(value[key])}" for key in sorted(value))
            + "}"
        )
    if isinstance(value, list):
        return "[]interface {}{" + ", ".join(go_value(item) for item in value) + "}"
    if value is None:
        return "interface {}(nil)"
    if isinstance(value, bool):
        return "true" if value else "false"
    return go_quote(value) if isinstance(value, str) else str(value)
