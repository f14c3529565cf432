"""The shop's backend as the twin plays it: the same answers, headers and log lines as
lab_helpers/course/shop/server.py.

A test runs the real script beside this and compares.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from lab_helpers.twin.containers.http.messages import Request, Response, reason
from lab_helpers.twin.containers.http.serving import http_server
from lab_helpers.twin.containers.processes import SimulatedProcess, program

__all__ = ["shop_backend"]

PRODUCTS = (
    {"id": 1, "name": "lamp", "price": 49},
    {"id": 2, "name": "chair", "price": 120},
    {"id": 3, "name": "table", "price": 310},
)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@program
async def shop_backend(process: SimulatedProcess) -> int:
    """HTTP/1.1 on $PORT (8080) until told to end."""
    text = process.env.get("PORT", "8080")
    if not text.isdigit():
        await process.err(f"ValueError: invalid literal for int() with base 10: '{text}'\n")
        return 1
    shop = _Shop()

    async def handle(request: Request) -> Response:
        if request.method not in METHODS:
            status: int = 501
            value: Any = {"error": f"Unsupported method ({request.method!r})"}
        else:
            status, value = shop.answer(
                "GET" if request.method == "HEAD" else request.method, request.path, request.body
            )
        line = f"{request.method} {request.target} HTTP/{request.version}"
        await process.out(f'{request.peer[0]} "{line}" {status}\n')
        headers = [("Content-Type", "application/json")]
        return Response(status, headers, json.dumps(value).encode() + b"\n", reason(status))

    process.network.listen(int(text), http_server(process.clock, handle, server="shop-backend/1"))
    await process.out(f"shop-backend/1 listening on port {text}\n")
    process.ready()
    await asyncio.Event().wait()
    return 0


class _Shop:
    def __init__(self) -> None:
        self.orders: dict[int, dict[str, Any]] = {
            1: {"id": 1, "product": 1, "quantity": 2},
            2: {"id": 2, "product": 3, "quantity": 1},
        }
        self.next_id = 3

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        if method == "POST" and path == "/api/v1/orders":
            return self._create(body)
        if method == "DELETE" and path.startswith("/api/v1/orders/"):
            return self._delete(path.removeprefix("/api/v1/orders/"))
        pages: dict[str, Any] = {
            "/api/v1/products": {"products": list(PRODUCTS)},
            "/api/v1/orders": {"orders": list(self.orders.values())},
            "/admin": {"admin": True, "orders": len(self.orders), "products": len(PRODUCTS)},
            "/healthz": {"status": "ok"},
        }
        if method == "GET" and path in pages:
            return 200, pages[path]
        return 404, {"error": "not found", "method": method, "path": path}

    def _create(self, body: bytes) -> tuple[int, Any]:
        try:
            order = json.loads(body or b"{}")
        except ValueError:
            return 400, {"error": "the body is not JSON"}
        if not isinstance(order, dict):
            return 400, {"error": "the body is not a JSON object"}
        number = self.next_id
        self.next_id += 1
        self.orders[number] = {"id": number, "product": order.get("product", 1), "quantity": order.get("quantity", 1)}
        return 201, self.orders[number]

    def _delete(self, text: str) -> tuple[int, Any]:
        if not text.isdigit() or int(text) not in self.orders:
            return 404, {"error": "no such order", "order": text}
        return 200, {"deleted": self.orders.pop(int(text))["id"]}
