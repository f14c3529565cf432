"""Flows from a file of JSON lines: ``--input-file``.

Follows Cilium ``hubble/cmd/observe/io_reader_observer.go``: the order of the file is kept; ``--last`` keeps the final
matches, ``--first`` stops early; times are those of the responses; what is no flow is filtered as an empty flow. A line
that cannot be read is reported and skipped; after the first unknown name, unknown names are skipped silently.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, TextIO

from lab_helpers.hubble import jsonpb, times
from lab_helpers.hubble.errors import HubbleError, JsonError
from lab_helpers.hubble.filters import compile_filters
from lab_helpers.hubble.protos import observer_pb2
from lab_helpers.hubble.records import NO_FLOW, Record
from lab_helpers.tools.hubble import logs

_LONGEST = 64 * 1024
_MOST = 1_000_000
_EVERYTHING = (1 << 64) - 1


def flows_from(source: BinaryIO, request: Any, stderr: TextIO) -> Iterator[Any]:
    """GetFlowsResponse messages of `source` that `request` wants. Raises HubbleError."""
    passes = compile_filters(request.whitelist, request.blacklist)
    number = 0 if request.number == _EVERYTHING else request.number
    last = number if not request.first else 0
    if last > _MOST:
        raise HubbleError(f"--last must be <= 1_000_000, got {last}")
    since = times.moment(request.since) if request.HasField("since") else None
    until = times.moment(request.until) if request.HasField("until") else None
    unfiltered = not request.whitelist and not request.blacklist

    def wanted(response: Any) -> bool:
        if since is not None or until is not None:
            moment = times.moment(response.time)
            if (since is not None and moment < since) or (until is not None and moment > until):
                return False
        return unfiltered or passes(Record(response.flow) if response.HasField("flow") else NO_FLOW)

    found = (response for response in _responses(source, stderr) if wanted(response))
    if last:
        yield from _keep_last(found, last)
        return
    for count, response in enumerate(found, 1):
        yield response
        if number and count >= number:
            return


def _keep_last(found: Iterable[Any], number: int) -> Iterable[Any]:
    """The final ones; they come only when the whole file was read without error."""
    return deque(found, maxlen=number)


def _lines(source: BinaryIO) -> Iterator[str]:
    for raw in source:
        line = raw.removesuffix(b"\n")
        if len(line) >= _LONGEST:
            raise HubbleError("bufio.Scanner: token too long")
        yield line.removesuffix(b"\r").decode("utf-8", "surrogateescape")


def _responses(source: BinaryIO, stderr: TextIO) -> Iterator[Any]:
    discard = False
    for line in _lines(source):
        try:
            yield jsonpb.loads(line, observer_pb2.GetFlowsResponse(), discard_unknown=discard)
            continue
        except JsonError as error:
            first, problem = error, error
        if not discard:
            try:
                response = jsonpb.loads(line, observer_pb2.GetFlowsResponse(), discard_unknown=True)
            except JsonError as error:
                problem = error
            else:
                discard = True
                logs.log(
                    "WARN",
                    "unknown field detected, upgrade the Hubble CLI to get rid of this warning",
                    stderr,
                    error=first,
                )
                yield response
                continue
        logs.log("WARN", "Failed to unmarshal json to flow", stderr, error=problem, line=line)
