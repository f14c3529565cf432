"""Is a label selector well formed? Kubernetes' rules with Cilium's additions (a source before the key) and their
messages.

Follows Cilium pkg/labels (selector validation) and Kubernetes apimachinery validation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from lab_helpers.policy.errors import PolicyError
from lab_helpers.policy.paths import Path, render
from lab_helpers.policy.selectors import Operator

__all__ = ["check_selector"]

_VALUE: Final = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_NAME: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SOURCE: Final = re.compile(r"[A-Za-z0-9]+")

_ENDS: Final = "and must start and end with an alphanumeric character"
_VALUE_MESSAGE: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    f"{_ENDS} (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_NAME_MESSAGE: Final = (
    f"name part must consist of alphanumeric characters, '-', '_' or '.', {_ENDS} "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', "
    "regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_PREFIX_MESSAGE: Final = (
    "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    f"{_ENDS} (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_COLON_MESSAGE: Final = "a valid label key only support ':' character as a source separator with non empty value"
_SOURCE_MESSAGE: Final = "label source should be a non empty string with only alphanumeric characters"


def _key_errors(key: str) -> list[str]:
    parts = key.split(":")
    if len(parts) > 2:
        return [_COLON_MESSAGE]
    errors = []
    if len(parts) == 2 and not _SOURCE.fullmatch(parts[0]):
        errors.append(_SOURCE_MESSAGE)
    pieces = parts[-1].split("/")
    if len(pieces) > 2:
        return [
            *errors,
            f"a valid label key must consist of {_NAME_MESSAGE.removeprefix('name part must consist of ')}",
        ]
    if len(pieces) == 2:
        if not pieces[0]:
            errors.append("prefix part must be non-empty")
        elif len(pieces[0]) > 253:
            errors.append("prefix part must be no more than 253 bytes")
        elif not _SUBDOMAIN.fullmatch(pieces[0]):
            errors.append(_PREFIX_MESSAGE)
    name = pieces[-1]
    if not name:
        errors.append("name part must be non-empty")
    elif len(name) > 63:
        errors.append("name part must be no more than 63 bytes")
    if not _NAME.fullmatch(name):
        errors.append(_NAME_MESSAGE)
    return errors


def _value_errors(value: str) -> list[str]:
    if len(value) > 63:
        return ["must be no more than 63 bytes"]
    return [] if _VALUE.fullmatch(value) else [_VALUE_MESSAGE]


def check_selector(selector: Mapping[str, Any], path: Path) -> None:
    """Raise PolicyError (``selector-invalid``) at the first thing wrong with a decoded label selector."""
    for key, value in (selector.get("matchLabels") or {}).items():
        place = (*path, "matchLabels", key)
        for message in _key_errors(key):
            raise _invalid(f'matchLabels: Invalid value: "{key}": {message}', place)
        for message in _value_errors(value or ""):
            raise _invalid(f'matchLabels: Invalid value: "{value}": {message}', place)
    for number, expression in enumerate(selector.get("matchExpressions") or ()):
        _check_expression(expression or {}, number, (*path, "matchExpressions", number))


def _check_expression(expression: Mapping[str, Any], number: int, path: Path) -> None:
    name = f"matchExpressions[{number}]"
    operator = expression.get("operator", "")
    values = expression.get("values") or ()
    if operator in (Operator.IN, Operator.NOT_IN):
        if not values:
            raise _invalid(
                f"{name}.values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
                (*path, "values"),
            )
    elif operator in (Operator.EXISTS, Operator.DOES_NOT_EXIST):
        if values:
            raise _invalid(
                f"{name}.values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                (*path, "values"),
            )
    else:
        raise _invalid(
            f'{name}.operator: Invalid value: "{operator}": not a valid selector operator', (*path, "operator")
        )
    key = expression.get("key", "")
    for message in _key_errors(key):
        raise _invalid(f'{name}.key: Invalid value: "{key}": {message}', (*path, "key"))
    for at, value in enumerate(values):
        for message in _value_errors(value or ""):
            raise _invalid(f'{name}.values[{at}]: Invalid value: "{value}": {message}', (*path, "values", at))


def _invalid(message: str, path: Path) -> PolicyError:
    return PolicyError(f"invalid label selector: {message}", category="selector-invalid", path=render(path))
