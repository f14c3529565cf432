"""One transfer: what happened, in numbers, for ``-w``, ``-v`` and messages."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from lab_helpers.twin.containers.errors import ContainersError

__all__ = ["CurlFailure", "Transfer", "write_out"]


class CurlFailure(ContainersError):
    """A transfer failed: curl's exit ``code`` and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(slots=True)
class Transfer:
    """Times are seconds since the transfer began; 0 means the step was not reached."""

    url: str
    url_number: int = 0
    method: str = "GET"
    scheme: str = "http"
    http_code: int = 0
    http_version: str = "0"
    content_type: str = ""
    effective: str = ""
    redirect_url: str = ""
    redirects: int = 0
    connects: int = 0
    retries: int = 0
    local: tuple[str, int] = ("", 0)
    remote: tuple[str, int] = ("", 0)
    downloaded: int = 0
    uploaded: int = 0
    header_size: int = 0
    request_size: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    file_name: str = ""
    time_namelookup: float = 0.0
    time_connect: float = 0.0
    time_appconnect: float = 0.0
    time_pretransfer: float = 0.0
    time_starttransfer: float = 0.0
    time_redirect: float = 0.0
    time_total: float = 0.0
    exit_code: int = 0
    error: str = ""

    def variables(self) -> dict[str, Any]:
        """The names ``-w`` knows, with their values; floats are times."""
        speed = int(self.downloaded / self.time_total) if self.time_total else 0
        return {
            "certs": "",
            "content_type": self.content_type or None,
            "conn_id": 0,
            "errormsg": self.error or None,
            "exitcode": self.exit_code,
            "filename_effective": self.file_name or None,
            "ftp_entry_path": None,
            "http_code": self.http_code,
            "http_connect": 0,
            "http_version": self.http_version,
            "local_ip": self.local[0],
            "local_port": self.local[1],
            "method": self.method,
            "num_certs": 0,
            "num_connects": self.connects,
            "num_headers": len(self.headers),
            "num_redirects": self.redirects,
            "num_retries": self.retries,
            "proxy_ssl_verify_result": 0,
            "redirect_url": self.redirect_url or None,
            "referer": None,
            "remote_ip": self.remote[0],
            "remote_port": self.remote[1],
            "response_code": self.http_code,
            "scheme": self.scheme,
            "size_download": self.downloaded,
            "size_header": self.header_size,
            "size_request": self.request_size,
            "size_upload": self.uploaded,
            "speed_download": speed,
            "speed_upload": 0,
            "ssl_verify_result": 0,
            "time_appconnect": self.time_appconnect,
            "time_connect": self.time_connect,
            "time_namelookup": self.time_namelookup,
            "time_posttransfer": self.time_pretransfer,
            "time_pretransfer": self.time_pretransfer,
            "time_queue": 0.0,
            "time_redirect": self.time_redirect,
            "time_starttransfer": self.time_starttransfer,
            "time_total": self.time_total,
            "tls_earlydata": 0,
            "url": self.url,
            "url_effective": self.effective or self.url,
            "urlnum": self.url_number,
            "xfer_id": self.url_number,
        }


_VARIABLE = re.compile(r"%(%|\{[A-Za-z0-9_.-]+\}|header\{[^}]*\})|\\(.)")


def write_out(form: str, transfer: Transfer) -> tuple[str, str]:
    """(text for standard output, text for standard error) of a ``-w`` format."""
    values = transfer.variables()
    streams = ["", ""]
    current = 0
    position = 0

    def show(name: str) -> str:
        value = values[name]
        if value is None:
            return ""
        if name in ("http_code", "response_code", "http_connect"):
            return f"{value:03d}"
        if isinstance(value, float):
            return f"{value:.6f}"
        return str(value)

    for found in _VARIABLE.finditer(form):
        streams[current] += form[position : found.start()]
        position = found.end()
        if found.group(2) is not None:
            streams[current] += {"n": "\n", "r": "\r", "t": "\t"}.get(found.group(2), "\\" + found.group(2))
            continue
        word = found.group(1)
        if word == "%":
            streams[current] += "%"
        elif word.startswith("header{"):
            wanted = word[7:-1].lower()
            streams[current] += next((value for key, value in transfer.headers if key.lower() == wanted), "")
        elif word == "{stdout}":
            current = 0
        elif word == "{stderr}":
            current = 1
        elif word == "{onerror}":
            if not transfer.exit_code:
                return streams[0], streams[1]
        elif word == "{json}":
            streams[current] += json.dumps({**values, "curl_version": "libcurl/8.14.1"}, separators=(",", ":"))
        elif word == "{header_json}":
            grouped: dict[str, list[str]] = {}
            for key, value in transfer.headers:
                grouped.setdefault(key.lower(), []).append(value)
            streams[current] += json.dumps(grouped)
        elif word[1:-1] in values:
            streams[current] += show(word[1:-1])
        else:
            streams[1] += f"curl: unknown --write-out variable: '{word[1:-1]}'\n"
    streams[current] += form[position:]
    return streams[0], streams[1]
