"""The images labs use, and which programs are in them."""

from __future__ import annotations

from lab_helpers.twin.containers.images import ImageCatalogue
from lab_helpers.twin.containers.programs import sh as shells
from lab_helpers.twin.containers.programs import sleeping, system
from lab_helpers.twin.containers.programs.curl import curl
from lab_helpers.twin.interfaces import Image
from lab_helpers.twin.objects.registry import Registry

__all__ = ["course_images"]

PROGRAMS = {
    "sh": shells.sh, "ash": shells.sh, "bash": shells.bash, "sleep": sleeping.sleep, "timeout": sleeping.timeout, "hostname": system.hostname,
    "env": system.env, "echo": system.echo, "date": sleeping.date, "curl": curl,
}  # fmt: skip


def course_images(registry: Registry) -> ImageCatalogue:
    """A catalogue with every image of the course."""
    from lab_helpers.twin.dns.coredns import coredns

    catalogue = ImageCatalogue()
    catalogue.add(Image("nicolaka/netshoot", PROGRAMS, command=["zsh"]))
    catalogue.add(Image("registry.k8s.io/coredns/coredns", {"coredns": coredns(registry)}, entrypoint=["/coredns"]))
    return catalogue
