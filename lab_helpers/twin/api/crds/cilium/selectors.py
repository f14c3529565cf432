"""Schemas that several kinds share: label selectors and status conditions."""

from __future__ import annotations

from lab_helpers.twin.api.crds.cilium.definitions import Schema, enum, integer, listing, mapping, struct, text

__all__ = ["CONDITIONS", "NODE_SELECTOR", "selector"]

_VALUE = r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"
_CONDITION_TYPE = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
)


def selector(about: str = "") -> Schema:
    """Labels to match; an empty selector matches everything."""
    operator = enum("In", "NotIn", "Exists", "DoesNotExist", about="How the key is compared with the values")
    expression = struct(
        "One requirement",
        ("key", "operator"),
        key=text("The label's key"),
        operator=operator,
        values=listing(text(), "What In and NotIn compare with", **{"x-kubernetes-list-type": "atomic"}),
    )
    found = struct(
        about,
        matchExpressions=listing(expression, "Requirements that must all hold", **{"x-kubernetes-list-type": "atomic"}),
        matchLabels=mapping(text(maxLength=63, pattern=_VALUE), "Labels that must all be there with these values"),
    )
    return found | {"x-kubernetes-map-type": "atomic"}


NODE_SELECTOR: Schema = struct(
    "Which nodes",
    matchExpressions=listing(
        struct(
            "",
            ("key", "operator"),
            key=text(),
            operator=text(),
            values=listing(text(), **{"x-kubernetes-list-type": "atomic"}),
        ),
        **{"x-kubernetes-list-type": "atomic"},
    ),
    matchLabels=mapping(text()),
) | {"x-kubernetes-map-type": "atomic"}

CONDITIONS: Schema = listing(
    struct(
        "",
        ("lastTransitionTime", "message", "reason", "status", "type"),
        lastTransitionTime=text("When the status last changed", format="date-time"),
        message=text("Details for people", maxLength=32768),
        observedGeneration=integer("The generation this is about", format="int64", minimum=0),
        reason=text(
            "Details for programs",
            maxLength=1024,
            minLength=1,
            pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        ),
        status=enum("True", "False", "Unknown"),
        type=text(maxLength=316, pattern=_CONDITION_TYPE),
    ),
    "What holds at the moment",
    **{"x-kubernetes-list-map-keys": ["type"], "x-kubernetes-list-type": "map"},
)
