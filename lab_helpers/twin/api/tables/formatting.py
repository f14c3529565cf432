"""The small texts of table cells: ages, label sets, container lists, addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

__all__ = [
    "age",
    "container_cells",
    "human_duration",
    "joined",
    "label_selector_text",
    "labels_text",
    "load_balancer_text",
    "more",
    "parse_time",
]

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86400, 365 * 86400


def human_duration(seconds: float) -> str:
    """``5m30s``, ``3h``, ``12d`` … (k8s.io/apimachinery pkg/util/duration HumanDuration)."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(whole, 0)
    if whole < 2 * MINUTE:
        return f"{whole}s"
    if whole < 10 * MINUTE:
        return _two(whole, MINUTE, "m", 1, "s")
    if whole < 3 * HOUR:
        return f"{whole // MINUTE}m"
    if whole < 8 * HOUR:
        return _two(whole, HOUR, "h", MINUTE, "m")
    if whole < 2 * DAY:
        return f"{whole // HOUR}h"
    if whole < 8 * DAY:
        return _two(whole, DAY, "d", HOUR, "h")
    if whole < 2 * YEAR:
        return f"{whole // DAY}d"
    if whole < 8 * YEAR:
        return _two(whole, YEAR, "y", DAY, "d")
    return f"{whole // YEAR}y"


def _two(whole: int, big: int, big_unit: str, small: int, small_unit: str) -> str:
    rest = whole % big // small
    return f"{whole // big}{big_unit}" + (f"{rest}{small_unit}" if rest else "")


def parse_time(text: str) -> datetime | None:
    """An API timestamp (whole or micro seconds); None when it is not one."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def age(text: str | None, now: datetime) -> str:
    """How long ago; ``<unknown>`` without a timestamp."""
    moment = parse_time(text) if text else None
    return "<unknown>" if moment is None else human_duration((now - moment).total_seconds())


def labels_text(labels: Mapping[str, str] | None) -> str:
    """``a=b,c=d`` in key order, ``<none>`` when empty."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or "<none>"


def label_selector_text(selector: Mapping[str, Any] | None) -> str:
    """A structured LabelSelector on one line, ``<none>`` when it selects by nothing."""
    if not selector:
        return "<none>"
    terms = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    for item in selector.get("matchExpressions") or ():
        key, values = item["key"], ",".join(sorted(item.get("values") or ()))
        words = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }
        terms.append((key, words.get(item["operator"], key)))
    return ",".join(text for _, text in sorted(terms)) or "<none>"


def container_cells(spec: Mapping[str, Any]) -> tuple[str, str]:
    """Names and images of a pod template's containers, each joined by commas."""
    containers = spec.get("containers") or ()
    return ",".join(c["name"] for c in containers), ",".join(c.get("image", "") for c in containers)


def joined(items: Iterable[str], nothing: str = "<none>") -> str:
    """Joined by commas."""
    return ",".join(items) or nothing


def more(items: Sequence[str], limit: int = 3, nothing: str = "<unset>") -> str:
    """The first ``limit`` items and how many there are beyond."""
    text = ",".join(items[:limit])
    if len(items) > limit:
        return f"{text} + {len(items) - limit} more..."
    return text or nothing


def load_balancer_text(status: Mapping[str, Any] | None) -> str:
    """Addresses of a load balancer status, sorted."""
    ingress = ((status or {}).get("loadBalancer") or {}).get("ingress") or ()
    return ",".join(sorted({entry.get("ip") or entry.get("hostname", "") for entry in ingress}))
