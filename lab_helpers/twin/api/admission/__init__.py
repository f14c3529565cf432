"""What the API server does to an object on its way in: defaults, allocation and validation, kind by kind.

``install_admissions(registry)`` adds the steps to a Registry, so that they hold for controllers and the agent as well
as for clients.
"""

from lab_helpers.twin.api.admission.installing import install_admissions

__all__ = ["install_admissions"]
