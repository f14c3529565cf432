"""How to print."""

from enum import Enum
from typing import NamedTuple


class Output(Enum):
    """Forms of output."""

    COMPACT = "compact"
    DICT = "dict"
    TABLE = "table"
    JSON = "json"
    LEGACY_JSON = "legacy-json"


class Options(NamedTuple):
    """What the printer is told. `layout` is one of `times.LAYOUTS`; `debug` shows every change of a node's state."""

    output: Output = Output.COMPACT
    layout: str = "StampMilli"
    color: bool = False
    node_names: bool = False
    policy_names: bool = False
    ip_translation: bool = True
    numeric: bool = False
    debug: bool = False
