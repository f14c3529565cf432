"""What the operator writes on policies: the ``Valid`` condition (operator/pkg/networkpolicy/validator.go)."""

from __future__ import annotations

from typing import Final

from lab_helpers.policy.configs import PolicyConfig
from lab_helpers.policy.errors import PolicyEngineError
from lab_helpers.twin.agent.importing import PolicyReader
from lab_helpers.twin.objects.copying import copied
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Object

__all__ = ["VALIDATED", "validate"]

VALIDATED: Final = {
    "ciliumnetworkpolicies.cilium.io": "CiliumNetworkPolicy",
    "ciliumclusterwidenetworkpolicies.cilium.io": "CiliumClusterwideNetworkPolicy",
}
_GOOD: Final = "Policy validation succeeded"


def validate(registry: Registry, reader: PolicyReader, resource: str, obj: Object, config: PolicyConfig) -> Object:
    """Write the condition if it is not what it should be; gives the object as it now is."""
    try:
        reader.read(VALIDATED[resource], obj, config)
        status, message = "True", _GOOD
    except PolicyEngineError as error:
        status, message = "False", str(getattr(error, "message", error))
    conditions = list((obj.get("status") or {}).get("conditions") or ())
    known = next((item for item in conditions if item.get("type") == "Valid"), None)
    if known is not None and known.get("status") == status and known.get("message") == message:
        return obj
    changed = known is None or known.get("status") != status
    since = registry.clock.timestamp() if changed or known is None else known.get("lastTransitionTime")
    fresh = {"lastTransitionTime": since, "message": message, "status": status, "type": "Valid"}
    draft = copied(obj)
    others = [item for item in conditions if item.get("type") != "Valid"]
    draft["status"] = {**(draft.get("status") or {}), "conditions": [*others, fresh]}
    return registry.update(resource, draft, subresource="status" if registry.kinds[resource].has_status else "")
