"""The catalogue of images that can be "pulled"."""

from __future__ import annotations

from collections.abc import Mapping

from lab_helpers.twin.containers.errors import StartFailure
from lab_helpers.twin.interfaces import Image

__all__ = ["ImageCatalogue", "normalise_image"]


def normalise_image(reference: str) -> str:
    """The name without registry defaults, tag and digest: ``docker.io/library/nginx:1`` → ``nginx``."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    name = head + slash + last.partition(":")[0]
    for prefix in ("docker.io/library/", "index.docker.io/library/", "docker.io/", "index.docker.io/", "library/"):
        name = name.removeprefix(prefix)
    return name


class ImageCatalogue:
    """Images by name . Any tag of a known image can be pulled."""

    def __init__(self) -> None:
        self._images: dict[str, Image] = {}

    def add(self, image: Image) -> None:
        """Offer it; a later image of the same name replaces the earlier."""
        self._images[normalise_image(image.name)] = image

    @property
    def images(self) -> Mapping[str, Image]:
        """All of them by name."""
        return dict(self._images)

    def find(self, reference: str) -> Image:
        """The image. Raises StartFailure(ErrImagePull | InvalidImageName) that says what is there instead."""
        if not reference or any(
            char.isspace() or char.isupper() for char in reference.partition("@")[0].rpartition(":")[0] or reference
        ):
            raise StartFailure(
                "InvalidImageName", f'Failed to apply default image tag "{reference}": couldn\'t parse image name'
            )
        found = self._images.get(normalise_image(reference))
        if found is None:
            known = ", ".join(sorted(self._images))
            raise StartFailure("ErrImagePull", f'the twin cannot play image "{reference}": it knows {known}')
        return found
