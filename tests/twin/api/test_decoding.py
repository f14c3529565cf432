"""Bodies into kinds: JSON types as Go reports them, protobuf as kubectl sends it."""

from __future__ import annotations

import pytest

from lab_helpers.twin.api.bodies import decode_body
from lab_helpers.twin.api.schemas.builtin import builtin_shape, kind_type, wire_fields
from lab_helpers.twin.api.schemas.decoding import DecodeError, read
from lab_helpers.twin.api.schemas.generating import generate
from lab_helpers.twin.api.schemas.protobuf import MAGIC, decode_protobuf
from lab_helpers.twin.objects.errors import StatusError
from lab_helpers.twin.objects.kinds import BUILTIN

POD = builtin_shape("", "Pod")
DEPLOYMENT = builtin_shape("apps", "Deployment")
SECRET = builtin_shape("", "Secret")


@pytest.mark.parametrize("kind", BUILTIN, ids=lambda kind: kind.resource)
def test_every_served_kind_has_a_shape(kind):
    shape = builtin_shape(kind.group, kind.kind)
    assert shape is not None
    assert "metadata" in shape.fields


@pytest.mark.parametrize(
    ("shape", "body", "message"),
    [
        (
            DEPLOYMENT,
            {"spec": {"replicas": "3"}},
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            POD,
            {"spec": {"containers": {}}},
            "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        (
            POD,
            {"spec": {"containers": [{"ports": [{"containerPort": "80"}]}]}},
            "unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
        ),
        (
            POD,
            {"spec": {"containers": [{"command": "sh"}]}},
            "cannot unmarshal string into Go struct field Container.spec.containers.command of type []string",
        ),
        (
            POD,
            {"metadata": {"labels": {"a": 1}}},
            "cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (POD, {"metadata": []}, "cannot unmarshal array into Go struct field Pod.metadata of type v1.ObjectMeta"),
        (
            POD,
            {"spec": {"hostNetwork": "yes"}},
            "cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
        ),
        (
            POD,
            {"spec": {"containers": [{"resources": {"limits": {"cpu": "x"}}}]}},
            "quantities must match the regular expression",
        ),
        (POD, {"metadata": {"creationTimestamp": "today"}}, 'parsing time "today" as "2006-01-02T15:04:05Z07:00"'),
        (SECRET, {"data": {"a": "?"}}, "illegal base64 data at input byte 0"),
        (DEPLOYMENT, {"spec": {"replicas": 1.5}}, "cannot unmarshal number 1.5 into Go struct field"),
        (DEPLOYMENT, {"spec": {"replicas": 3000000000}}, "cannot unmarshal number 3000000000 into Go struct field"),
    ],
)
def test_type_errors_are_gos(shape, body, message):
    with pytest.raises(DecodeError) as caught:
        read(body, shape)
    assert message in str(caught.value)


def test_unknown_fields_have_indexes_and_are_dropped():
    found = read({"spec": {"containers": [{"name": "a", "foo": 1}], "bar": 2}, "metadata": {"name": None}}, POD)
    assert found.unknown == ["spec.containers[0].foo", "spec.bar"]
    assert found.value == {"spec": {"containers": [{"name": "a"}]}, "metadata": {}}


def test_free_fields_stay_free():
    revision = builtin_shape("apps", "ControllerRevision")
    assert read({"data": {"any": [1, None]}}, revision).value == {"data": {"any": [1, None]}}


def varint(number):
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value & (1 << 64) - 1)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def envelope(api_version, kind, raw):
    return MAGIC + field(1, field(1, api_version) + field(2, kind)) + field(2, raw) + field(3, "") + field(4, "")


def number(message, name):
    return next(n for n, entry in wire_fields(message).items() if entry.name == name)


def encode(message, item):
    """The inverse of the decoder, for what these tests need."""
    data = b""
    for name, value in item.items():
        place = number(message, name)
        kind = wire_fields(message)[place].type
        for entry in value if kind.startswith("[]") else [value]:
            if isinstance(entry, dict) and kind.startswith("{}"):
                data += b"".join(field(place, field(1, k) + field(2, v)) for k, v in entry.items())
            elif isinstance(entry, dict):
                data += field(place, encode(kind.removeprefix("[]"), entry))
            else:
                data += field(place, int(entry) if isinstance(entry, bool) else entry)
    return data


def test_protobuf_bodies_become_objects():
    body = {
        "metadata": {"name": "d", "labels": {"a": "b"}, "generation": 0, "namespace": ""},
        "spec": {
            "replicas": 0,
            "paused": False,
            "template": {
                "spec": {"containers": [{"name": "c", "command": ["sh", "-c"], "ports": [{"containerPort": 80}]}]}
            },
        },
    }
    data = encode("api.apps.v1.Deployment", body)
    assert decode_protobuf(envelope("apps/v1", "Deployment", data)) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "labels": {"a": "b"}},
        "spec": {
            "replicas": 0,
            "template": {
                "spec": {"containers": [{"name": "c", "command": ["sh", "-c"], "ports": [{"containerPort": 80}]}]}
            },
        },
    }


def test_protobuf_special_types():
    port = field(number("api.core.v1.ServicePort", "targetPort"), field(1, 1) + field(2, 0) + field(3, "http"))
    spec = field(number("api.core.v1.ServiceSpec", "ports"), port)
    quantity = field(1, "cpu") + field(2, field(1, "100m"))
    resources = field(number("api.core.v1.ResourceRequirements", "limits"), quantity)
    container = field(number("api.core.v1.Container", "resources"), resources)
    pod = field(2, field(number("api.core.v1.PodSpec", "containers"), container))
    assert decode_protobuf(envelope("v1", "Service", field(2, spec)))["spec"]["ports"] == [{"targetPort": "http"}]
    found = decode_protobuf(envelope("v1", "Pod", pod))
    assert found["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "100m"}
    stamped = field(1, field(8, field(1, 1767225600)))
    assert decode_protobuf(envelope("v1", "Pod", stamped))["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize("body", [b"", b"{}", MAGIC + b"\xff", envelope("v1", "Nothing", b"")])
def test_damaged_protobuf(body):
    with pytest.raises(StatusError) as caught:
        decode_protobuf(body)
    assert caught.value.code == 400


def test_other_content_types_are_refused():
    with pytest.raises(StatusError) as caught:
        decode_body(b"x", "application/cbor")
    assert caught.value.code == 415


def test_inline_fields_show_in_their_parent():
    volume = builtin_shape("", "Pod").fields["spec"].fields["volumes"].element
    assert {"name", "configMap", "emptyDir", "projected"} <= set(volume.fields)
    assert kind_type("", "Nothing") is None


def test_the_generator_reads_markers(tmp_path):
    from lab_helpers.twin.api.schemas.generating import ROOTS

    for package, names in ROOTS.items():
        folder = tmp_path / package
        folder.mkdir()
        messages = "".join(f"message {name} {{\n  optional Thing thing = 1;\n}}\n" for name in names)
        text = f"package k8s.io.{package};\n{messages}message Thing {{\n"
        text += "  // +optional\n  // +listType=map\n  // +listMapKey=name\n"
        text += '  // +default="x"\n  repeated string a = 2;\n}\n'
        (folder / "generated.proto").write_text(text, encoding="utf-8")
    found = generate([tmp_path])
    meta = {"keys": ["name"], "optional": 1, "list": "map", "default": "x"}
    assert found["api.core.v1.Thing"] == {"fields": {"a": [2, "[]string", meta]}}
