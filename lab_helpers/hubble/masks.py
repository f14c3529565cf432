"""Field masks: which fields of a flow a request wants.

A mask is compiled once and then copies just those fields. A path that ends at a message takes all of it; a parent makes
its children superfluous. Follows Cilium ``pkg/hubble/observer`` and protobuf's FieldMask.
"""

from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.descriptor import Descriptor

from lab_helpers.hubble.errors import MaskError
from lab_helpers.hubble.protos import flow_pb2

Copy = Callable[[Any, Any], None]
_Tree = dict[str, "_Tree"]

DEFAULT_PATHS = (
    "time",
    "verdict",
    "ethernet",
    "IP",
    "l4",
    "source.identity",
    "source.namespace",
    "source.pod_name",
    "destination.identity",
    "destination.namespace",
    "destination.pod_name",
    "Type",
    "node_name",
    "l7",
    "event_type",
    "source_service",
    "destination_service",
    "is_reply",
    "Summary",
    "ip_trace_id",
)
"""What the command line asks for when it prints text."""


def check_path(path: str, descriptor: Descriptor = flow_pb2.Flow.DESCRIPTOR) -> bool:
    """Whether `path` names a field; only its last part may be repeated or a scalar."""
    here: Any = descriptor
    for part in path.split("."):
        field = here.fields_by_name.get(part) if here is not None else None
        if field is None:
            return False
        here = field.message_type if field.message_type is not None and not field.is_repeated else None
    return True


def compile_mask(paths: Iterable[str]) -> Callable[[Any], Any]:
    """A function from a flow to a new flow that has only the fields `paths` name. Raises MaskError."""
    tree: _Tree = {}
    leaves: set[str] = set()
    for path in paths:
        if not check_path(path):
            raise MaskError("invalid fieldmask")
        leaves.add(path)
    for path in leaves:
        parents = path.split(".")
        if any(".".join(parents[:i]) in leaves for i in range(1, len(parents))):
            continue
        here = tree
        for part in parents:
            here = here.setdefault(part, {})
    copy = _copier(tree, flow_pb2.Flow.DESCRIPTOR)

    def masked(flow: Any) -> Any:
        out = flow_pb2.Flow()
        copy(flow, out)
        return out

    return masked


def _copier(tree: _Tree, descriptor: Any) -> Copy:
    scalars, lists, whole, nested = [], [], [], []
    for name, below in tree.items():
        field = descriptor.fields_by_name[name]
        if field.is_repeated:
            lists.append(name)
        elif field.message_type is None:
            scalars.append(name)
        elif below:
            nested.append((name, _copier(below, field.message_type)))
        else:
            whole.append(name)

    def copy(source: Any, target: Any) -> None:
        for name in scalars:
            value = getattr(source, name)
            if value:
                setattr(target, name, value)
        for name in lists:
            values = getattr(source, name)
            if values:
                getattr(target, name).extend(values)
        for name in whole:
            if source.HasField(name):
                getattr(target, name).CopyFrom(getattr(source, name))
        for name, inner in nested:
            if source.HasField(name):
                child = getattr(target, name)
                child.SetInParent()
                inner(getattr(source, name), child)

    return copy
