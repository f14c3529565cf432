"""Generate the Python stubs from the ``.proto`` files.

protoc lays stubs out by the import path of the proto file (``flow/flow_pb2.py``) and makes them import each other by
that absolute path, which only works with the stubs' folder on ``sys.path``. Here they become modules of one package
with relative imports; the descriptors keep the names Cilium gives them (``flow/flow.proto``).
"""

import os
import re
import shutil
import sysconfig
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMES = ("flow", "observer", "relay", "peer")
_PROTOS = [f"{name}/{name}.proto" for name in NAMES]
_SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py")


class GeneratingError(RuntimeError):
    """protoc is missing or refused a file."""


def protoc(*options: str) -> None:
    """Run protoc over the four proto files; raises GeneratingError when it is not installed or fails."""
    try:
        from grpc_tools import protoc as compiler  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise GeneratingError("grpcio-tools is not installed: pip install 'cilium-labs[protos]'") from error
    import importlib.resources

    well_known = importlib.resources.files("grpc_tools") / "_proto"
    status = compiler.main(["protoc", f"-I{HERE}", f"-I{well_known}", *options, *_PROTOS])
    if status:
        raise GeneratingError(f"protoc failed with status {status}; its messages are above")


def descriptor_set(path: Path) -> None:
    """Write a FileDescriptorSet of the schema, imports included, to `path`."""
    protoc("--include_imports", f"--descriptor_set_out={path}")


def plain_stubs(folder: Path) -> None:
    """Write protoc's own layout (``flow/flow_pb2.py``, absolute imports) below `folder`."""
    protoc(f"--python_out={folder}", f"--grpc_python_out={folder}")


def package_stubs(folder: Path = HERE) -> list[Path]:
    """Write the package's stubs into `folder`; returns the files written."""
    with tempfile.TemporaryDirectory() as name:
        raw = Path(name)
        protoc(_mypy_plugin(), f"--python_out={raw}", f"--mypy_out=quiet:{raw}", f"--grpc_python_out={raw}")
        written = []
        for package in NAMES:
            for suffix in _SUFFIXES:
                source = raw / package / f"{package}{suffix}"
                text = source.read_text(encoding="utf-8")
                if suffix == "_pb2_grpc.py" and "Servicer" not in text:
                    continue
                target = folder / source.name
                target.write_text(relative(text), encoding="utf-8")
                written.append(target)
    return written


def _mypy_plugin() -> str:
    """protoc's option that says where mypy-protobuf's plugin is: beside this interpreter, activated or not."""
    folders = os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", "")))
    found = shutil.which("protoc-gen-mypy", path=folders)
    if found is None:
        raise GeneratingError("mypy-protobuf is not installed: pip install 'cilium-labs[protos]'")
    return f"--plugin=protoc-gen-mypy={found}"


def relative(text: str) -> str:
    """`text` of a stub with imports of its sisters made relative."""
    one_of = "|".join(NAMES)
    text = re.sub(rf"^from ({one_of}) import \1_pb2", r"from . import \1_pb2", text, flags=re.MULTILINE)
    return re.sub(rf"^from ({one_of})\.\1_pb2 import", r"from .\1_pb2 import", text, flags=re.MULTILINE)
