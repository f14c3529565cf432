"""One live answer per distinct selector, shared by every rule that uses it.

An answer is computed when it is asked for and kept until the population changes. Follows the idea of Cilium's
pkg/policy/selectorcache.go, but pulls where that one pushes.
"""

from __future__ import annotations

from collections.abc import Iterator

from lab_helpers.policy.populations import Population
from lab_helpers.policy.rules import RuleRef
from lab_helpers.policy.selectors import PrefixSelector, Selector

__all__ = ["Selection", "SelectionCache"]


class Selection:
    """A selector and whom it selects now."""

    __slots__ = ("_bits", "_generation", "_population", "by_prefix", "selector", "users", "wildcard")

    def __init__(self, selector: Selector, population: Population) -> None:
        self.selector = selector
        self.wildcard = selector.is_wildcard
        self.by_prefix = isinstance(selector, PrefixSelector)
        self.users: dict[RuleRef, int] = {}
        self._population = population
        self._generation = -1
        self._bits = 0

    @property
    def bits(self) -> int:
        """The identities selected now."""
        population = self._population
        generation = population.prefix_generation if self.by_prefix else population.generation
        if generation != self._generation:
            self._bits = population.everyone if self.wildcard else population.select(self.selector)
            self._generation = generation
        return self._bits


class SelectionCache:
    """Selections by selector, counted by user."""

    __slots__ = ("_population", "_selections")

    def __init__(self, population: Population) -> None:
        self._population = population
        self._selections: dict[Selector, Selection] = {}

    def acquire(self, selector: Selector, user: RuleRef) -> Selection:
        """The selection of a selector, noting who uses it."""
        selection = self._selections.get(selector)
        if selection is None:
            selection = self._selections[selector] = Selection(selector, self._population)
        selection.users[user] = selection.users.get(user, 0) + 1
        return selection

    def release(self, selection: Selection, user: RuleRef) -> None:
        """Undo one ``acquire``; the last one forgets the selection."""
        left = selection.users.get(user, 0) - 1
        if left > 0:
            selection.users[user] = left
        else:
            selection.users.pop(user, None)
            if not selection.users:
                self._selections.pop(selection.selector, None)

    def __iter__(self) -> Iterator[Selection]:
        return iter(self._selections.values())

    def __len__(self) -> int:
        return len(self._selections)
