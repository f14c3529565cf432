"""Field paths: tuples of names and indexes, printed as Kubernetes does."""

from __future__ import annotations

__all__ = ["Path", "render", "split"]

Path = tuple[str | int, ...]


def render(path: Path) -> str:
    """``("spec", "ingress", 0)`` → ``spec.ingress[0]``. Names with dots or slashes stand in brackets, quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part and all(character.isalnum() or character in "-_" for character in part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


def split(text: str) -> Path:
    """The inverse of :func:`render`."""
    parts: list[str | int] = []
    rest = text
    while rest:
        if rest.startswith('["'):
            end = rest.index('"]')
            parts.append(rest[2:end])
            rest = rest[end + 2 :]
        elif rest.startswith("["):
            end = rest.index("]")
            parts.append(int(rest[1:end]))
            rest = rest[end + 1 :]
        else:
            rest = rest.removeprefix(".")
            stop = min((at for at in (rest.find("."), rest.find("[")) if at >= 0), default=len(rest))
            parts.append(rest[:stop])
            rest = rest[stop:]
    return tuple(parts)
