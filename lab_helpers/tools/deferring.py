"""Modules that libraries import at their start and a short command never touches, loaded when something asks for them.

`defer("inspect")` lets ``import inspect`` succeed at once; the first attribute anybody wants of it loads the real
module. Nothing changes but the moment: a library that does need one (another version of it, or of Python) gets it.
For a program's first lines only, while it has one thread.
"""

import importlib
import sys
from types import ModuleType
from typing import Any

__all__ = ["RARELY_USED", "defer"]

RARELY_USED = (
    "calendar",  # protobuf's well-known types
    "google.protobuf.descriptor_database",  # protobuf's descriptor pool, as the next two
    "google.protobuf.internal.python_message",
    "google.protobuf.text_encoding",
    "inspect",  # dataclasses
    "ipaddress",  # urllib
    "selectors",  # socket
    "traceback",  # logging
)
"""What libraries import for uses the bundled tools do not have; beside each who does."""


def _no_signature(*_args: Any, **_options: Any) -> str:
    """What dataclasses gets for its one question: it only writes the docstring of a class without one (one of h11's),
    and loading all of inspect for that is a tenth of a short command.
    """
    return ""


class _Deferred(ModuleType):
    """Stands in ``sys.modules`` for a module until an attribute of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        asks = sys._getframe(1).f_globals["__name__"]
        if (asks, self.__name__, name) == ("dataclasses", "inspect", "signature"):
            return _no_signature
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def defer(*names: str) -> None:
    """Put off loading these modules; those already loaded stay as they are."""
    for name in names:
        sys.modules.setdefault(name, _Deferred(name))
