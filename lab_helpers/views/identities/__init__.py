"""Security identities: labels → number → pods, and what uses them.

================  ==================================================================================
``lists``         the short list that labs show
``catalogues``    every identity there is: labels, pods, addresses, nodes, the rules that use it
``snapshots``     the objects a catalogue is made from, as they were read
``reading``       reads them from a cluster (Kubernetes API; the agents' own list by exec, if allowed)
``edits``         a change of labels, as it is typed
``consequences``  what it would do, before it is done
``histories``     who held which address with which identity, and when
``following``     keeps a history by watching CiliumEndpoints
``browsing``      the text and HTML forms of all of it
``widget``        the live form
================  ==================================================================================
"""

from lab_helpers.views.identities.lists import IdentityRow, IdentityTable

__all__ = ["IdentityRow", "IdentityTable"]
