"""Filter programs in the Common Expression Language over one variable, ``_flow``.

Names are looked up in the package ``flow`` (``Verdict.DROPPED``). A program must be boolean; one that fails at run time
does not match. The language is the part of CEL that makes sense for flows: literals, operators, field access, ``has``,
``in``, lists, maps, ``all``/``exists``/``exists_one``/``filter``/``map``, string functions, conversions, timestamps and
durations; messages cannot be constructed. Types are checked beforehand, as cel-go does, with its error texts.
"""

from collections.abc import Callable
from typing import Any

from lab_helpers.hubble.errors import FilterError
from lab_helpers.hubble.filters.cel.checking import check, type_text
from lab_helpers.hubble.filters.cel.evaluating import EvaluationError, compile_node
from lab_helpers.hubble.filters.cel.parsing import CelError, parse


def compile_expression(text: str) -> Callable[[Any], bool]:
    """A predicate of flows from a program; FilterError when it cannot be compiled."""
    try:
        node = parse(text)
        kind = check(node)
    except CelError as error:
        raise FilterError(f"error compiling CEL expression: {error.pointing_into(text)}") from None
    if kind != "bool":
        raise FilterError(f'error compiling CEL expression: got "{type_text(kind)}", wanted "bool" result type')
    run = compile_node(node)

    def predicate(flow: Any) -> bool:
        try:
            return run({"_flow": flow}) is True
        except EvaluationError:
            return False

    return predicate


__all__ = ["compile_expression"]
