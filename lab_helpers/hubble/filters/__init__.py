"""Flow filters with Hubble's meaning, compiled to functions.

A FlowFilter message matches when every field that is set matches (AND), a field when any of its values does (OR). A
request passes a flow when its allow list is empty or has a filter that matches, and its deny list has none.
`compile_filters` returns one function of records (see ``records``), fast enough for a ring of 100,000. Errors are
FilterError with the text of Hubble. Follows Cilium ``pkg/hubble/filters`` (1.19).
"""

from lab_helpers.hubble.filters.compiling import compile_filter, compile_filters
from lab_helpers.hubble.filters.predicates import Predicate

__all__ = ["Predicate", "compile_filter", "compile_filters"]
