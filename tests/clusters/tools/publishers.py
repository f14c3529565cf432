"""A publisher of files on loopback that can misbehave on purpose."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Publisher:
    """``files`` by path; ``cut`` ends answers after so many bytes, ``stall`` never goes beyond that byte."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut: dict[str, list[int]] = field(default_factory=dict)
    stall: dict[str, int] = field(default_factory=dict)
    stalled: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released for each answer that will go no further."""
    refuse: dict[str, list[int]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    ranges: bool = True
    released: threading.Event = field(default_factory=threading.Event)

    def publish(self, path: str, data: bytes, sums: str = ".sha256sum") -> str:
        self.files[path] = data
        digest = hashlib.sha256(data).hexdigest()
        self.files[path + sums] = f"{digest}  {path.rpartition('/')[2]}\n".encode()
        return digest


def tar_gz(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as pack:
        for name, data in members.items():
            pack.writestr(name, data)
    return buffer.getvalue()


@contextmanager
def serving() -> Iterator[Publisher]:
    publisher = Publisher()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            publisher.requests.append((self.path, self.headers.get("Range", "")))
            codes = publisher.refuse.get(self.path)
            if codes:
                self.send_error(codes.pop(0))
                return
            data = publisher.files.get(self.path)
            if data is None:
                self.send_error(404)
                return
            tag = f'"{hashlib.sha256(data).hexdigest()[:12]}"'
            start = 0
            wanted = self.headers.get("Range", "")
            if publisher.ranges and wanted and self.headers.get("If-Range") == tag:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if start >= len(data):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(data) - start))
            self.send_header("ETag", tag)
            self.end_headers()
            body = data[start:]
            cuts = publisher.cut.get(self.path)
            if cuts:
                self.wfile.write(body[: cuts.pop(0)])
                return
            if self.path in publisher.stall:
                self.wfile.write(data[start : publisher.stall[self.path]])
                self.wfile.flush()
                publisher.stalled.release()
                publisher.released.wait(120)
                return
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    publisher.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield publisher
    finally:
        publisher.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
