#!/usr/bin/env python3
"""The internet of a lab cluster, in one file: DNS, HTTP and HTTPS for the names the labs use.

    outside.py FOLDER               serve what FOLDER/outside.json describes (certificates lie beside it)
    outside.py FOLDER --check       exit code 0 when the server in this container answers

It runs in a container on the network of the cluster's nodes, on a plain python image and with nothing but the standard
library, so that no package has to be installed where there is no internet. Answers are those of the twin's outside: the
same names, addresses, TTLs, rotation, pages and certificate names.

outside.json::

    names         name -> {a, aaaa, cname, ttl, rotate, server}
    servers       name -> {redirect, banner, pages: {path -> {status, type, body}}}
    listen        addresses that are served; --add-addresses gives them to the loopback interface first
    certificates  address -> file with key and chain, in FOLDER
"""

import argparse
import asyncio
import contextlib
import ipaddress
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
from email.utils import formatdate

TYPES = {1: "A", 5: "CNAME", 6: "SOA", 12: "PTR", 28: "AAAA"}
CODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4}
OPT = 41
STREAM_LIMIT = 24 * 3600
MOST_HEADERS = 64 * 1024
IDLE = 75.0


class Names:
    """Questions and their answers; each answer of a rotating name shows the next addresses."""

    def __init__(self, names):
        self.names = names
        self.turns = {}

    def at(self, address):
        return [name for name, one in self.names.items() if address in one["a"] or address in one["aaaa"]]

    def lookup(self, name, kind):
        """(code, [(owner, kind, value, ttl)]): CNAMEs are followed; a name with children but no records is empty."""
        records = []
        current = name.rstrip(".").lower()
        if current.endswith(".in-addr.arpa"):
            return self._reverse(name, current, kind)
        owner = name
        for _ in range(8):
            found = self.names.get(current)
            if found is None:
                parent = any(known.endswith("." + current) for known in self.names)
                return ("NOERROR" if records or parent else "NXDOMAIN"), records
            if found["cname"]:
                records.append((owner, "CNAME", found["cname"] + ".", found["ttl"]))
                if kind == "CNAME":
                    return "NOERROR", records
                current, owner = found["cname"], found["cname"] + "."
                continue
            values = found["a"] if kind == "A" else found["aaaa"] if kind == "AAAA" else []
            records += [(owner, kind, value, found["ttl"]) for value in self._chosen(current, values, found["rotate"])]
            return "NOERROR", records
        return "SERVFAIL", []

    def alias(self, name, targets):
        """The target that a CNAME leads to, if it is one of ``targets``."""
        current, seen = name, 0
        while (self.names.get(current) or {}).get("cname") and seen < 8:
            current, seen = self.names[current]["cname"], seen + 1
        return current if seen and current in targets else ""

    def _chosen(self, name, addresses, rotate):
        if not addresses:
            return []
        turn = self.turns.get(name, 0)
        self.turns[name] = turn + 1
        start = turn * (rotate or 1) % len(addresses)
        size = min(rotate or len(addresses), len(addresses))
        return [addresses[(start + index) % len(addresses)] for index in range(size)]

    def _reverse(self, name, lower, kind):
        address = ".".join(reversed(lower[: -len(".in-addr.arpa")].split(".")))
        found = self.at(address)
        if not found:
            return "NXDOMAIN", []
        return "NOERROR", [(name, "PTR", found[0] + ".", 300)] if kind == "PTR" else []


# --- DNS messages (RFC 1035, and the OPT record of RFC 6891) ---


def answer(names, query, limit):
    """The reply to a query as bytes; None when it is no query at all. ``limit`` is the largest reply without EDNS."""
    if len(query) < 12:
        return None
    ident, flags, questions, _, _, additional = struct.unpack("!6H", query[:12])
    if flags & 0x8000:
        return None
    copied = flags & 0x7900  # opcode and "recursion desired"
    try:
        name, kind, end = read_question(query, questions)
        room = read_room(query, end, additional)
    except (ValueError, struct.error, IndexError, UnicodeError):
        return struct.pack("!6H", ident, 0x8080 | copied | CODES["FORMERR"], 0, 0, 0, 0)
    question = query[12:end]
    opt = struct.pack("!BHHIH", 0, OPT, 1232, 0, 0) if room else b""
    if flags & 0x7800:
        code, records = "NOTIMP", []
    else:
        code, records = names.lookup(name, TYPES.get(kind, ""))
    authority = b"" if records or code == "NOTIMP" else soa(name)
    body = b"".join(write_record(*record, name) for record in records)
    head = 0x8480 | copied | CODES[code]
    whole = question + body + authority + opt
    if limit and 12 + len(whole) > max(limit, room):
        head, whole, records, authority = head | 0x0200, question + opt, [], b""
    return struct.pack("!6H", ident, head, 1, len(records), bool(authority), bool(opt)) + whole


def read_question(query, count):
    """(name, type, position after it)."""
    if count != 1:
        raise ValueError("one question at a time")
    name, end = read_name(query, 12)
    kind, _ = struct.unpack("!2H", query[end : end + 4])
    return name, kind, end + 4


def read_name(message, position):
    """(name with a final dot, position after it)."""
    labels, end, jumps = [], None, 0
    while True:
        length = message[position]
        if length >= 0xC0:
            end = end if end is not None else position + 2
            position = (length & 0x3F) << 8 | message[position + 1]
            jumps += 1
            if jumps > 16:
                raise ValueError("pointers in a circle")
            continue
        position += 1
        if length == 0:
            return ".".join(labels) + ".", end if end is not None else position
        if length > 63 or position + length > len(message):
            raise ValueError("a label is too long")
        labels.append(message[position : position + length].decode("ascii"))
        position += length


def read_room(query, position, additional):
    """The size of reply that EDNS allows; 0 without EDNS."""
    for _ in range(additional):
        _, position = read_name(query, position)
        kind, size, _, length = struct.unpack("!HHIH", query[position : position + 10])
        if kind == OPT:
            return min(max(size, 512), 4096)
        position += 10 + length
    return 0


def write_name(name):
    parts = [part.encode("ascii") for part in name.rstrip(".").split(".") if part]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def write_record(owner, kind, value, ttl, asked):
    if kind in ("A", "AAAA"):
        data = ipaddress.ip_address(value).packed
    else:
        data = write_name(value)
    number = next(number for number, text in TYPES.items() if text == kind)
    # the owner of most records is the name asked for, which lies at byte 12
    name = b"\xc0\x0c" if owner.rstrip(".").lower() == asked.rstrip(".").lower() else write_name(owner)
    return name + struct.pack("!HHIH", number, 1, ttl, len(data)) + data


def soa(name):
    zone = ".".join(name.rstrip(".").split(".")[-2:]) + "."
    data = (
        write_name("ns1." + zone) + write_name("hostmaster." + zone) + struct.pack("!5I", 1, 7200, 3600, 1209600, 300)
    )
    return write_name(zone) + struct.pack("!HHIH", 6, 1, 300, len(data)) + data


class DnsOverUdp(asyncio.DatagramProtocol):
    def __init__(self, names):
        self.names = names
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, source):
        reply = answer(self.names, data, 512)
        if reply is not None:
            self.transport.sendto(reply, source)


async def dns_over_tcp(names, reader, writer):
    try:
        while True:
            (length,) = struct.unpack("!H", await asyncio.wait_for(reader.readexactly(2), IDLE))
            reply = answer(names, await asyncio.wait_for(reader.readexactly(length), IDLE), 0)
            if reply is None:
                break
            writer.write(struct.pack("!H", len(reply)) + reply)
            await writer.drain()
    except (asyncio.IncompleteReadError, asyncio.TimeoutError, ConnectionError):
        pass  # the other side went
    finally:
        writer.close()


# --- web servers ---


class Web:
    """The servers at one address, over HTTP or HTTPS."""

    def __init__(self, names, servers, address, scheme):
        self.names = names
        self.servers = servers
        self.address = address
        self.scheme = scheme

    async def serve(self, reader, writer):
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError, OSError, ValueError):
            pass  # the other side went, or speaks something else
        finally:
            writer.close()

    async def _one(self, reader, writer):
        """Answer one request; true when the connection stays open."""
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), IDLE)
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, version = first.split(" ")
        headers = {}
        for line in filter(None, lines):
            key, _, value = line.partition(":")
            headers[key.strip().lower()] = value.strip()
        await self._skip_body(reader, writer, headers)
        keep = headers.get("connection", "").lower() != "close" and version == "HTTP/1.1"
        host = headers.get("host") or self.address
        name, server = self.server(host)
        extra = [("Server", server["banner"])] if server["banner"] else []
        path, _, query = target.partition("?")
        if self.scheme == "http" and server["redirect"]:
            extra.append(("Location", "https://%s%s" % (name, target)))
            self._write(writer, method, 301, extra, b"", keep)
        elif path == "/stream":
            await self._stream(writer, extra, query)
            return False
        else:
            page = server["pages"].get(path) or server["pages"].get("*")
            page = page or {"status": 404, "type": "text/plain", "body": "not found\n"}
            body = page["body"]
            for key, value in (("{host}", name), ("{path}", target), ("{ip}", self.address), ("{method}", method)):
                body = body.replace(key, value)
            self._write(writer, method, page["status"], [*extra, ("Content-Type", page["type"])], body.encode(), keep)
        await writer.drain()
        return keep

    def server(self, host):
        """The server for a Host name; a name that is not at this address gets the first one's."""
        there = self.names.at(self.address)
        bare = host.partition(":")[0].lower()
        alias = self.names.alias(bare, there)
        chosen = bare if bare in there else alias or (there[0] if there else self.address)
        entry = self.names.names.get(chosen)
        fallback = {
            "redirect": False,
            "banner": "",
            "pages": {"*": {"status": 200, "type": "text/plain", "body": "{host}\n"}},
        }
        return (bare if alias else chosen), self.servers.get(entry["server"] if entry else "page", fallback)

    @staticmethod
    async def _skip_body(reader, writer, headers):
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            while True:
                size = int((await asyncio.wait_for(reader.readuntil(b"\r\n"), IDLE)).split(b";")[0], 16)
                await asyncio.wait_for(reader.readexactly(size + 2), IDLE)
                if size == 0:
                    return
        left = int(headers.get("content-length") or 0)
        while left > 0:
            chunk = await asyncio.wait_for(reader.read(min(left, 65536)), IDLE)
            if not chunk:
                raise ConnectionError("the body ended early")
            left -= len(chunk)

    @staticmethod
    def _write(writer, method, status, headers, body, keep):
        lines = [("Date", formatdate(usegmt=True)), *headers, ("Content-Length", str(len(body)))]
        lines += [] if keep else [("Connection", "close")]
        head = "HTTP/1.1 %d %s\r\n" % (status, REASONS.get(status, "Status"))
        head += "".join("%s: %s\r\n" % line for line in lines) + "\r\n"
        writer.write(head.encode("latin-1") + (b"" if method == "HEAD" else body))

    async def _stream(self, writer, headers, query):
        """``/stream?seconds=N``: one line a second, a download that takes its time."""
        text = query[len("seconds=") :] if query.startswith("seconds=") else ""
        seconds = min(int(text), STREAM_LIMIT) if text.isdigit() else 60
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
        head += "".join("%s: %s\r\n" % line for line in headers) + "\r\n"
        writer.write(head.encode("latin-1"))
        for second in range(seconds):
            line = ("second %d from %s\n" % (second, self.address)).encode()
            writer.write(b"%x\r\n%s\r\n" % (len(line), line))
            await writer.drain()
            await asyncio.sleep(1.0)
        writer.write(b"0\r\n\r\n")
        await writer.drain()


REASONS = {200: "OK", 301: "Moved Permanently", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}


# --- the program ---


async def serve(folder, description, options):
    names = Names(description["names"])
    loop = asyncio.get_running_loop()
    for address in options.resolver:
        await loop.create_datagram_endpoint(lambda: DnsOverUdp(names), local_addr=(address, options.dns_port))
        await asyncio.start_server(
            lambda reader, writer: dns_over_tcp(names, reader, writer), address, options.dns_port
        )
    for address in description["listen"]:
        plain = Web(names, description["servers"], address, "http")
        await asyncio.start_server(plain.serve, address, options.http_port, limit=MOST_HEADERS)
        file = description["certificates"].get(address)
        if file:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(os.path.join(folder, file))
            context.set_alpn_protocols(["http/1.1"])
            secure = Web(names, description["servers"], address, "https")
            await asyncio.start_server(secure.serve, address, options.https_port, ssl=context, limit=MOST_HEADERS)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows: the process is ended from outside
            loop.add_signal_handler(number, stopped.set)
    print("ready: %d names at %d addresses" % (len(description["names"]), len(description["listen"])), flush=True)
    await stopped.wait()


def add_addresses(addresses):
    """Give this container the addresses; those it has already are no failure."""
    for address in addresses:
        done = subprocess.run(
            ["ip", "address", "add", address + "/32", "dev", "lo"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if done.returncode and b"exists" not in done.stdout:
            text = done.stdout.decode("utf-8", "replace").strip()
            return "the address %s cannot be added: %s (is --cap-add NET_ADMIN there?)" % (address, text)
    return ""


def check(description, options):
    """Ask the server for the first name, over UDP."""
    name = next(name for name, one in description["names"].items() if one["a"])
    query = struct.pack("!6H", 1, 0x0100, 1, 0, 0, 0) + write_name(name) + struct.pack("!2H", 1, 1)
    host = options.resolver[0] if options.resolver[0] != "0.0.0.0" else "127.0.0.1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(10)
        asker.connect((host, options.dns_port))
        asker.send(query)
        reply = asker.recv(4096)
    return 0 if len(reply) > 12 and reply[3] & 15 == 0 and reply[7] else 1


def main(arguments):
    parser = argparse.ArgumentParser(description="The internet of a lab cluster.")
    parser.add_argument("folder")
    parser.add_argument("--check", action="store_true", help="ask the running server, and say how that went")
    parser.add_argument("--add-addresses", action="store_true", help="needs NET_ADMIN")
    parser.add_argument("--resolver", action="append", help="address that answers DNS (default: all)")
    parser.add_argument("--dns-port", type=int, default=53)
    parser.add_argument("--http-port", type=int, default=80)
    parser.add_argument("--https-port", type=int, default=443)
    options = parser.parse_args(arguments)
    options.resolver = options.resolver or ["0.0.0.0"]
    try:
        with open(os.path.join(options.folder, "outside.json"), encoding="utf-8") as stream:
            description = json.load(stream)
        if options.check:
            return check(description, options)
        problem = add_addresses(description["listen"]) if options.add_addresses else ""
        if problem:
            print(problem, file=sys.stderr)
            return 1
        asyncio.run(serve(options.folder, description, options))
    except OSError as error:
        print("outside: %s" % error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
