"""The forms names, labels and keys must have (apimachinery pkg/util/validation), and the real messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab_helpers.twin.api.admission.problems import Problems

__all__ = [
    "check_annotations",
    "check_labels",
    "check_selector",
    "config_key",
    "dns_1035_label",
    "dns_label",
    "dns_subdomain",
    "environment_name",
    "path_segment",
    "port_name",
    "qualified_name",
]

Rule = Callable[[str], Sequence[str]]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_SIGNS = "'-', '_' or '.'"


def _form(text: str, pattern: str, what: str, examples: Sequence[str], limit: int) -> list[str]:
    found = []
    if len(text) > limit:
        found.append(f"must be no more than {limit} bytes")
    if not re.fullmatch(pattern, text, re.ASCII):
        listed = " or ".join(f"'{example}', " for example in examples)
        found.append(f"{what} (e.g. {listed}regex used for validation is '{pattern}')")
    return found


def dns_label(text: str) -> list[str]:
    """RFC 1123 label: namespaces, containers, volumes."""
    what = (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
        "and must start and end with an alphanumeric character"
    )
    return _form(text, _LABEL, what, ("my-name", "123-abc"), 63)


def dns_subdomain(text: str) -> list[str]:
    """RFC 1123 subdomain: the name of nearly everything."""
    what = (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
        "and must start and end with an alphanumeric character"
    )
    return _form(text, _SUBDOMAIN, what, ("example.com",), 253)


def dns_1035_label(text: str) -> list[str]:
    """RFC 1035 label: services."""
    what = (
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
        "start with an alphabetic character, and end with an alphanumeric character"
    )
    return _form(text, _LABEL_1035, what, ("my-name", "abc-123"), 63)


def path_segment(text: str) -> list[str]:
    """RBAC names: anything that is one segment of a URL path."""
    if text in (".", ".."):
        return [f"may not be '{text}'"]
    return [f"may not contain '{sign}'" for sign in "/%" if sign in text]


def qualified_name(text: str) -> list[str]:
    """Keys of labels and annotations: an optional DNS prefix, a slash, a name."""
    prefix, slash, name = text.rpartition("/")
    found = []
    what = f"must consist of alphanumeric characters, {_SIGNS}, and must start and end with an alphanumeric character"
    if text.count("/") > 1:
        form = f"a qualified name {what}"
        tail = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [_form("-", _QUALIFIED, form, ("MyName", "my.name", "123-abc"), 63)[-1] + f" {tail}"]
    if slash:
        if not prefix:
            found.append("prefix part must be non-empty")
        else:
            found += [f"prefix part {problem}" for problem in dns_subdomain(prefix)]
    if not name:
        found.append("name part must be non-empty")
    elif len(name) > 63:
        found.append("name part must be no more than 63 bytes")
    if (name and not re.fullmatch(_QUALIFIED, name, re.ASCII)) or not name:
        found.append(_form("-", _QUALIFIED, f"name part {what}", ("MyName", "my.name", "123-abc"), 63)[-1])
    return found


def label_value(text: str) -> list[str]:
    """Values of labels."""
    what = (
        f"a valid label must be an empty string or consist of alphanumeric characters, {_SIGNS}, "
        "and must start and end with an alphanumeric character"
    )
    return _form(text, _VALUE, what, ("MyValue", "my_value", "12345"), 63)


def config_key(text: str) -> list[str]:
    """Keys of ConfigMaps and Secrets."""
    if text in (".", ".."):
        return [f"must not be '{text}'"]
    what = f"a valid config key must consist of alphanumeric characters, {_SIGNS}"
    return _form(text, "[-._a-zA-Z0-9]+", what, ("key.name", "KEY_NAME", "key-name"), 253)


def environment_name(text: str) -> list[str]:
    """Names of environment variables: printable, no equals sign."""
    if text and all(" " <= sign <= "~" and sign != "=" for sign in text):
        return []
    what = "a valid environment variable name must consist only of printable ASCII characters other than '='"
    return [what]


def port_name(text: str) -> list[str]:
    """IANA service names, as container ports use them."""
    found = []
    if len(text) > 15:
        found.append("must be no more than 15 characters long")
    if not re.fullmatch("[-a-z0-9]+", text, re.ASCII):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", text):
        found.append("must contain at least one letter (a-z)")
    if "--" in text:
        found.append("must not contain consecutive hyphens")
    if text.startswith("-") or text.endswith("-"):
        found.append("must not begin or end with a hyphen")
    return found


def check_labels(labels: Mapping[str, Any], field: str, problems: Problems) -> None:
    """Keys and values of a label map."""
    for key, value in sorted(labels.items()):
        for why in qualified_name(key):
            problems.invalid(field, key, why)
        for why in label_value(value):
            problems.invalid(field, value, why)


def check_annotations(annotations: Mapping[str, str], field: str, problems: Problems) -> None:
    """Keys of annotations, and their size together."""
    for key in sorted(annotations):
        for why in qualified_name(key.lower()):
            problems.invalid(field, key, why)
    if sum(len(key) + len(value) for key, value in annotations.items()) > 262144:
        problems.too_long(field, 262144)


def check_selector(selector: Mapping[str, Any], field: str, problems: Problems) -> None:
    """A structured LabelSelector."""
    check_labels(selector.get("matchLabels") or {}, f"{field}.matchLabels", problems)
    for position, item in enumerate(selector.get("matchExpressions") or ()):
        place = f"{field}.matchExpressions[{position}]"
        values = item.get("values") or ()
        match item.get("operator"):
            case "In" | "NotIn":
                if not values:
                    problems.required(f"{place}.values", "must be specified when `operator` is 'In' or 'NotIn'")
            case "Exists" | "DoesNotExist":
                if values:
                    why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                    problems.forbidden(f"{place}.values", why)
            case operator:
                problems.invalid(f"{place}.operator", operator or "", "not a valid selector operator")
        for why in qualified_name(item.get("key", "")):
            problems.invalid(f"{place}.key", item.get("key", ""), why)
        for number, value in enumerate(values):
            for why in label_value(value):
                problems.invalid(f"{place}.values[{number}]", value, why)
