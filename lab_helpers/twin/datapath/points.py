"""Where in the datapath events arise: numbers of pkg/monitor/api, without the messages that carry them."""

from __future__ import annotations

__all__ = ["SockPoint", "TracePoint"]


class TracePoint:
    """Sub types of trace events."""

    TO_ENDPOINT = 0
    TO_PROXY = 1
    TO_HOST = 2
    TO_STACK = 3
    TO_OVERLAY = 4
    FROM_ENDPOINT = 5
    FROM_OVERLAY = 9
    FROM_NETWORK = 10
    TO_NETWORK = 11


class SockPoint:
    """Points of socket translation."""

    PRE_FORWARD = 1
    POST_FORWARD = 2
    PRE_REVERSE = 3
    POST_REVERSE = 4
