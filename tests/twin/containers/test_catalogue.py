"""Every program the images name exists."""

from __future__ import annotations

from lab_helpers.twin.containers.catalogue import BUSYBOX, COMMON, DEBIAN, NETSHOOT, resolve


def test_programs_can_be_imported(lab):
    references = {
        program.__name__
        for image in (COMMON, BUSYBOX, DEBIAN, NETSHOOT, *(one.programs for one in lab.images.images.values()))
        for program in image.values()
        if ":" in program.__name__
    }
    assert len(references) > 60
    for reference in references:
        assert callable(resolve(reference)), reference


def test_images_of_the_course(lab):
    assert {
        "alpine", "busybox", "curlimages/curl", "hashicorp/http-echo", "nginx", "nicolaka/netshoot", "python",
        "quay.io/cilium/alpine-curl", "quay.io/cilium/json-mock", "redis", "registry.k8s.io/coredns/coredns",
        "registry.k8s.io/etcd", "registry.k8s.io/kube-apiserver", "registry.k8s.io/kube-controller-manager",
        "registry.k8s.io/kube-scheduler", "registry.k8s.io/pause",
    } <= set(lab.images.images)  # fmt: skip
