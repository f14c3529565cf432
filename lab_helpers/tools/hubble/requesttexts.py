"""Requests as one line of protobuf's text format, for ``--debug``.

Go's writer puts one or two blanks between fields, as the build of the program happens to choose; here it is one.
"""

from typing import Any

from lab_helpers.tools.goflags import go_quote


def request_text(message: Any) -> str:
    """The fields that are set, in the order of their declaration: ``number:1 since:{seconds:5}``."""
    parts = []
    for field, value in sorted(message.ListFields(), key=lambda item: item[0].index):
        parts += [f"{field.name}:{_value(field, item)}" for item in (value if field.is_repeated else [value])]
    return " ".join(parts)


def _value(field: Any, value: Any) -> str:
    if field.message_type:
        return f"{{{request_text(value)}}}"
    if field.enum_type:
        known = field.enum_type.values_by_number.get(value)
        return str(known.name) if known else str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return go_quote(value) if isinstance(value, str) else str(value)
