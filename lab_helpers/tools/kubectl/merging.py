"""The patch that brings a live object to a new configuration: three-way merge, strategic or plain (apimachinery
strategicpatch, jsonmergepatch).

`original` is what was applied last, `modified` what shall be, `current` what is. Fields that were applied before and
are gone now are deleted; fields that differ are set; what others set stays.
"""

from typing import Any

from lab_helpers.tools.kubectl.mergekeys import merge_key, retains_keys

Mapping = dict[str, Any]


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    return bool(left == right)


class _Differ:
    """Differences from one object to another, as a patch. `kind` "" makes every list be replaced."""

    def __init__(self, kind: str, *, changes: bool, deletions: bool) -> None:
        self._kind = kind
        self._changes = changes
        self._deletions = deletions

    def mappings(self, old: Mapping, new: Mapping, path: tuple[str, ...]) -> Mapping:
        patch: Mapping = {}
        for key, value in new.items():
            if key not in old:
                if self._changes and value is not None:
                    patch[key] = value
                continue
            before = old[key]
            here = (*path, key)
            if isinstance(before, dict) and isinstance(value, dict):
                inner = self.mappings(before, value, here)
                if inner:
                    if self._kind and retains_keys(self._kind, here):
                        inner["$retainKeys"] = sorted(value)
                    patch[key] = inner
            elif isinstance(before, list) and isinstance(value, list):
                self._lists(patch, key, before, value, here)
            elif not _same(before, value) and self._changes:
                patch[key] = value
        if self._deletions:
            for key in old:
                if key not in new:
                    patch[key] = None
        return patch

    def _lists(self, patch: Mapping, key: str, old: list[Any], new: list[Any], path: tuple[str, ...]) -> None:
        merge = merge_key(self._kind, path) if self._kind else None
        if merge is None or not _mergeable(old, merge) or not _mergeable(new, merge):
            if self._changes and not _equal_lists(old, new):
                patch[key] = new
            return
        if merge == "":
            self._sets(patch, key, old, new)
            return
        before = {item[merge]: item for item in old}
        items: list[Any] = []
        for item in new:
            if item[merge] in before:
                inner = self.mappings(before[item[merge]], item, path)
                if inner:
                    if retains_keys(self._kind, path):
                        inner["$retainKeys"] = sorted(item)
                    items.append({**inner, merge: item[merge]})
            elif self._changes:
                items.append(item)
        wanted = {item[merge] for item in new}
        if self._deletions:
            items += [{"$patch": "delete", merge: item[merge]} for item in old if item[merge] not in wanted]
        order = [item[merge] for item in new]
        reordered = self._changes and [item[merge] for item in old if item[merge] in wanted] != [
            name for name in order if name in before
        ]
        if items or reordered:
            patch[f"$setElementOrder/{key}"] = [{merge: name} for name in order]
        if items:
            patch[key] = items

    def _sets(self, patch: Mapping, key: str, old: list[Any], new: list[Any]) -> None:
        added = [value for value in new if value not in old] if self._changes else []
        removed = [value for value in old if value not in new] if self._deletions else []
        if added:
            patch[key] = added
        if removed:
            patch[f"$deleteFromPrimitiveList/{key}"] = removed
        if added or removed:
            patch[f"$setElementOrder/{key}"] = list(new)


def _mergeable(items: list[Any], key: str) -> bool:
    if key == "":
        return all(not isinstance(item, (dict, list)) for item in items)
    names = [item.get(key) if isinstance(item, dict) else None for item in items]
    return None not in names and len(set(map(str, names))) == len(names)


def _equal_lists(left: list[Any], right: list[Any]) -> bool:
    return left == right


def _joined(first: Any, second: Any, kind: str, path: tuple[str, ...]) -> Any:
    """Two patches as one; where both speak, the second wins."""
    if isinstance(first, dict) and isinstance(second, dict):
        out = dict(first)
        for key, value in second.items():
            out[key] = _joined(first[key], value, kind, (*path, key)) if key in first else value
        return out
    merge = merge_key(kind, path) if kind and path and not path[-1].startswith("$") else None
    if isinstance(first, list) and isinstance(second, list) and merge:
        by_name = {item[merge]: item for item in second}
        out_list = [
            _joined(item, by_name.pop(item[merge]), kind, path) if item[merge] in by_name else item for item in first
        ]
        return out_list + [item for item in second if item[merge] in by_name]
    if isinstance(first, list) and isinstance(second, list) and merge == "":
        return list(dict.fromkeys([*first, *second]))
    return second


def three_way(original: Mapping, modified: Mapping, current: Mapping, kind: str = "") -> Mapping:
    """The patch; {} when nothing is to change. `kind` is the object's for built-in kinds, "" for others (plain merge
    patch).
    """
    removals = _Differ(kind, changes=False, deletions=True).mappings(original, modified, ())
    changes = _Differ(kind, changes=True, deletions=False).mappings(current, modified, ())
    patch: Mapping = _joined(_still_there(removals, current, kind), changes, kind, ())
    return patch


def two_way(original: Mapping, modified: Mapping, kind: str = "") -> Mapping:
    """The patch from one version of an object to the next."""
    return _Differ(kind, changes=True, deletions=True).mappings(original, modified, ())


def _still_there(removals: Mapping, current: Mapping, kind: str) -> Mapping:
    """Removals without those the live object no longer has (kubectl sends them too; leaving them out keeps
    ``unchanged`` true).
    """
    out: Mapping = {}
    for key, value in removals.items():
        if value is None:
            if key in current:
                out[key] = None
        elif isinstance(value, dict):
            inner = _still_there(value, current.get(key) or {}, kind) if isinstance(current.get(key), dict) else {}
            if inner:
                out[key] = inner
        else:
            out[key] = value
    return out


def json_merge(target: Any, patch: Any) -> Any:
    """RFC 7386: `target` with a merge patch applied."""
    if not isinstance(patch, dict):
        return patch
    out = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = json_merge(out.get(key), value)
    return out
