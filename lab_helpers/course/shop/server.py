# simulated-as: shop-backend/1
"""The shop's backend: products and orders over HTTP/1.1 on port 8080 (or $PORT).

Standard library only; orders live in memory.

On the embedded cluster the first line tells the twin to play this program itself.
"""

from __future__ import annotations

import json
import os
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

Answer = tuple[int, Any]  # status, JSON value

PRODUCTS = [
    {"id": 1, "name": "lamp", "price": 49},
    {"id": 2, "name": "chair", "price": 120},
    {"id": 3, "name": "table", "price": 310},
]


class Shop:
    """The orders, and the one place that changes them."""

    def __init__(self) -> None:
        self.orders: dict[int, dict[str, Any]] = {
            1: {"id": 1, "product": 1, "quantity": 2},
            2: {"id": 2, "product": 3, "quantity": 1},
        }
        self.next_id = 3
        self.lock = threading.Lock()

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """(status, JSON value) for a request."""
        if method == "GET" and path == "/api/v1/products":
            return 200, {"products": PRODUCTS}
        if method == "GET" and path == "/api/v1/orders":
            with self.lock:
                return 200, {"orders": list(self.orders.values())}
        if method == "POST" and path == "/api/v1/orders":
            return self.create(body)
        if method == "DELETE" and path.startswith("/api/v1/orders/"):
            return self.delete(path.removeprefix("/api/v1/orders/"))
        if method == "GET" and path == "/admin":
            with self.lock:
                return 200, {"admin": True, "orders": len(self.orders), "products": len(PRODUCTS)}
        if method == "GET" and path == "/healthz":
            return 200, {"status": "ok"}
        return 404, {"error": "not found", "method": method, "path": path}

    def create(self, body: bytes) -> Answer:
        """POST /api/v1/orders with {"product": 1, "quantity": 2}."""
        try:
            order = json.loads(body or b"{}")
        except ValueError:
            return 400, {"error": "the body is not JSON"}
        if not isinstance(order, dict):
            return 400, {"error": "the body is not a JSON object"}
        with self.lock:
            number = self.next_id
            self.next_id += 1
            self.orders[number] = {
                "id": number,
                "product": order.get("product", 1),
                "quantity": order.get("quantity", 1),
            }
            return 201, self.orders[number]

    def delete(self, text: str) -> Answer:
        """DELETE /api/v1/orders/<n>."""
        with self.lock:
            if not text.isdigit() or int(text) not in self.orders:
                return 404, {"error": "no such order", "order": text}
            return 200, {"deleted": self.orders.pop(int(text))["id"]}


class Handler(BaseHTTPRequestHandler):
    """One connection; kept open between requests."""

    protocol_version = "HTTP/1.1"

    def version_string(self) -> str:
        """The Server header."""
        return "shop-backend/1"

    def handle_any(self) -> None:
        """Read the body, answer."""
        length = self.headers.get("Content-Length", "0")
        body = self.rfile.read(int(length)) if length.isdigit() else b""
        method = "GET" if self.command == "HEAD" else self.command
        status, value = cast("Backend", self.server).shop.answer(method, self.path.partition("?")[0], body)
        self.reply(status, value)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_any  # noqa: N815 - the base class's names

    def reply(self, status: int, value: Any) -> None:
        """Send a JSON value."""
        body = json.dumps(value).encode() + b"\n"
        self.send_response(status, HTTPStatus(status).phrase)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002 - the base class's signature
        """What the base class refuses (a method it does not know, a broken request) is answered in JSON too."""
        self.close_connection = True
        self.reply(code, {"error": message or HTTPStatus(code).phrase})

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002 - the base class's signature
        """One line per request on standard output."""
        status = code.value if isinstance(code, HTTPStatus) else code
        print(f'{self.client_address[0]} "{self.requestline}" {status}', flush=True)


class Backend(ThreadingHTTPServer):
    """A thread per connection."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("", port), Handler)
        self.shop = Shop()


def main() -> None:
    """Serve until told to end."""
    port = int(os.environ.get("PORT", "8080"))
    server = Backend(port)
    print(f"shop-backend/1 listening on port {port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
