"""What the operator writes on policies: the ``Valid`` condition (operator/pkg/networkpolicy/validator.go)."""

from __future__ import annotations

import copy
from typing import Final

from lab_helpers.policy.configs import PolicyConfig
from lab_helpers.policy.errors import PolicyEngineError
from lab_helpers.policy.parsing import parse
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Object

__all__ = ["VALIDATED", "validate"]

VALIDATED: Final = {
    "ciliumnetworkpolicies.cilium.io": "CiliumNetworkPolicy",
    "ciliumclusterwidenetworkpolicies.cilium.io": "CiliumClusterwideNetworkPolicy",
}
_GOOD: Final = "Policy validation succeeded"


def validate(registry: Registry, resource: str, obj: Object, config: PolicyConfig) -> bool:
    """Write the condition if it is not what it should be; True when something was written."""
    try:
        parse({**obj, "kind": VALIDATED[resource]}, config)
        status, message = "True", _GOOD
    except PolicyEngineError as error:
        status, message = "False", str(getattr(error, "message", error))
    conditions = list((obj.get("status") or {}).get("conditions") or ())
    known = next((item for item in conditions if item.get("type") == "Valid"), None)
    if known is not None and known.get("status") == status and known.get("message") == message:
        return False
    changed = known is None or known.get("status") != status
    since = registry.clock.timestamp() if changed or known is None else known.get("lastTransitionTime")
    fresh = {"lastTransitionTime": since, "message": message, "status": status, "type": "Valid"}
    draft = copy.deepcopy(obj)
    others = [item for item in conditions if item.get("type") != "Valid"]
    draft["status"] = {**(draft.get("status") or {}), "conditions": [*others, fresh]}
    registry.update(resource, draft, subresource="status" if registry.kinds[resource].has_status else "")
    return True
