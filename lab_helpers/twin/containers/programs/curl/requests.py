"""What curl sends: verb, headers, body."""

from __future__ import annotations

import base64
from urllib.parse import quote_plus

from lab_helpers.twin.containers.errors import ProgramExit
from lab_helpers.twin.containers.processes import SimulatedProcess
from lab_helpers.twin.containers.programs.curl.options import HINT, VERSION, Options
from lab_helpers.twin.containers.programs.curl.urls import Url

__all__ = ["RequestParts"]


class RequestParts:
    """Made from the options."""

    def __init__(self, process: SimulatedProcess, options: Options) -> None:
        self._process = process
        self._options = options

    def method(self) -> str:
        """The verb."""
        if "request" in self._options.values:
            return self._options.values["request"]
        if self._options.on("head"):
            return "HEAD"
        return "POST" if self._options.data and not self._options.on("get") else "GET"

    async def body(self) -> bytes:
        """The request's body."""
        if self._options.on("get"):
            return b""
        return await self.data()

    async def data(self) -> bytes:
        """All -d, --data-… and --json values joined."""
        pieces = []
        for item in self._options.data:
            kind, _, value = item.partition("\0")
            if kind == "data-urlencode":
                name, sign, content = value.partition("=")
                pieces.append(
                    f"{name + '=' if name and sign else ''}{quote_plus(content if sign else value, safe='')}".encode()
                )
            elif value.startswith("@") and kind != "data-raw":
                data = await self.read_data(value[1:])
                pieces.append(data if kind in ("data-binary", "json") else data.replace(b"\n", b"").replace(b"\r", b""))
            else:
                pieces.append(value.encode("utf-8", "surrogateescape"))
        return (b"" if self._options.json else b"&").join(pieces)

    async def read_data(self, name: str) -> bytes:
        """A file's content, or standard input's. Raises ProgramExit(26)."""
        if name == "-":
            return await self._process.stdin.read_all()
        try:
            return self._process.read_file(name)
        except OSError:
            raise ProgramExit(
                26, f"curl: option --data: error encountered when reading a file\ncurl: Failed to open {name}\n{HINT}"
            ) from None

    def headers(self, url: Url, method: str, body: bytes) -> list[tuple[str, str]]:
        """The request's headers, in curl's order."""
        headers = [("Host", url.authority)]
        user = self._options.values.get("user") or url.user
        if user:
            headers.append(("Authorization", "Basic " + base64.b64encode(user.encode()).decode()))
        if "oauth2-bearer" in self._options.values:
            headers.append(("Authorization", "Bearer " + self._options.values["oauth2-bearer"]))
        if "range" in self._options.values:
            headers.append(("Range", "bytes=" + self._options.values["range"]))
        headers.append(("User-Agent", self._options.values.get("user-agent", f"curl/{VERSION}")))
        headers.append(("Accept", "application/json" if self._options.json else "*/*"))
        if "referer" in self._options.values:
            headers.append(("Referer", self._options.values["referer"]))
        if "cookie" in self._options.values:
            headers.append(("Cookie", self._options.values["cookie"]))
        if body or (method == "POST" and self._options.data):
            headers.append(("Content-Length", str(len(body))))
            headers.append(
                ("Content-Type", "application/json" if self._options.json else "application/x-www-form-urlencoded")
            )
        for given in self._options.headers:
            name, colon, value = given.partition(":")
            name = name.strip()
            if not colon and given.endswith(";"):
                headers.append((name.rstrip(";"), ""))
                continue
            places = [index for index, (key, _) in enumerate(headers) if key.lower() == name.lower()]
            if places:
                if value.strip():
                    headers[places[0]] = (name, value.strip())
                else:
                    del headers[places[0]]
            elif colon and value.strip():
                headers.append((name, value.strip()))
        return [header for header in headers if header[1] or header[0] != "User-Agent"]
