"""The bundled helm: installs the charts it knows (``lab_helpers.tools.charts``) and keeps releases as helm v3 does.

:mod:`lab_helpers.tools.helm.releases` is the Python API, used by the bundled ``cilium install`` as well.

Errors::

    HelmError              the text stands after ``Error: ``
    └── NotFoundError      there is no such release
"""

from lab_helpers.tools.helm.errors import HelmError, NotFoundError

__all__ = ["HelmError", "NotFoundError"]
