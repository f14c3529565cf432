"""The schema of gRPC's reflection service, version 1: the service describes itself too, as Go's servers do."""

from google.protobuf import descriptor_pb2

PACKAGE = "grpc.reflection.v1"
FILE = "grpc/reflection/v1/reflection.proto"
SERVICE = f"{PACKAGE}.ServerReflection"

_MESSAGES = {
    "ServerReflectionRequest": (
        "1 host string",
        "3 file_by_filename string message_request",
        "4 file_containing_symbol string message_request",
        "5 file_containing_extension ExtensionRequest message_request",
        "6 all_extension_numbers_of_type string message_request",
        "7 list_services string message_request",
    ),
    "ExtensionRequest": ("1 containing_type string", "2 extension_number int32"),
    "ServerReflectionResponse": (
        "1 valid_host string",
        "2 original_request ServerReflectionRequest",
        "4 file_descriptor_response FileDescriptorResponse message_response",
        "5 all_extension_numbers_response ExtensionNumberResponse message_response",
        "6 list_services_response ListServiceResponse message_response",
        "7 error_response ErrorResponse message_response",
    ),
    "FileDescriptorResponse": ("1 file_descriptor_proto bytes*",),
    "ExtensionNumberResponse": ("1 base_type_name string", "2 extension_number int32*"),
    "ListServiceResponse": ("1 service ServiceResponse*",),
    "ServiceResponse": ("1 name string",),
    "ErrorResponse": ("1 error_code int32", "2 error_message string"),
}
"""Fields by message: number, name, type (``*``: repeated), and the oneof they belong to."""
_SCALARS = ("string", "bytes", "int32")


def reflection_file() -> descriptor_pb2.FileDescriptorProto:
    """The file's descriptor."""
    file = descriptor_pb2.FileDescriptorProto(name=FILE, package=PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for line in fields:
            number, field_name, kind, *oneof = line.split()
            field = message.field.add(name=field_name, number=int(number), json_name=_camel(field_name))
            field.label = field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL
            kind = kind.rstrip("*")
            if kind in _SCALARS:
                field.type = field.Type.Value(f"TYPE_{kind.upper()}")
            else:
                field.type, field.type_name = field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
            if oneof:
                if not message.oneof_decl:
                    message.oneof_decl.add(name=oneof[0])
                field.oneof_index = 0
    method = file.service.add(name="ServerReflection").method.add(name="ServerReflectionInfo")
    method.input_type, method.output_type = (f".{PACKAGE}.ServerReflection{end}" for end in ("Request", "Response"))
    method.client_streaming = method.server_streaming = True
    return file


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
