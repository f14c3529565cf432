"""A line of `hubble observe` read, located where it is wrong, and written back."""

from __future__ import annotations

import pytest

from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.hubble.records import Record
from lab_helpers.views.explorer.commands import read_command
from lab_helpers.views.explorer.words import split


def record(**values: object) -> Record:
    flow = flow_pb2.Flow(**values)  # type: ignore[arg-type]
    flow.source.namespace, flow.source.pod_name = "shop", "frontend-1"
    flow.destination.namespace, flow.destination.pod_name = "shop", "backend-1"
    flow.l4.TCP.source_port, flow.l4.TCP.destination_port = 40000, 8080
    return Record(flow)


@pytest.mark.parametrize(
    ("line", "shell"),
    [
        ("", "hubble observe --follow"),
        ("hubble observe", "hubble observe --follow"),
        ("hubble observe -f -n shop", "hubble observe --namespace shop --follow"),
        ("--verdict=DROPPED --port 8080", "hubble observe --verdict DROPPED --port 8080 --follow"),
        ("--not --port 53", "hubble observe --not --port 53 --follow"),
        ("--http-path '/api/v1/.*'", "hubble observe --http-path '/api/v1/.*' --follow"),
        ("-4 -t drop", "hubble observe --ipv4 --type drop --follow"),
        ("--last 5 -n shop", "hubble observe --namespace shop --last 5 --follow"),
        ("--since 2026-01-01T00:00:00Z", "hubble observe --since 2026-01-01T00:00:00Z --follow"),
        ("--from-pod \\\n shop/a", "hubble observe --from-pod shop/a --follow"),
    ],
)
def test_a_command_is_read_and_written_in_one_form(line: str, shell: str) -> None:
    found = read_command(line)
    assert found.fault is None
    assert found.shell == shell
    assert read_command(found.shell).shell == shell


@pytest.mark.parametrize(
    ("line", "wrong", "what"),
    [
        ("--port 80 --verdict DROPED", "--verdict DROPED", "invalid --verdict value"),
        ("--pod a --port", "--port", "flag needs an argument"),
        ("-n shop --foo", "--foo", "unknown flag"),
        ("-n shop drop", "drop", "is no flag"),
        ("-n shop | grep x", "| grep x", "for a shell"),
        ("--http-path '(' --port 80", "--http-path '('", "missing closing )"),
        ("--port 1 --pod 'shop/x", "'shop/x", "not closed"),
        ("--pod a --from-pod b", "--from-pod b", "cannot be combined"),
        ("--port 80 --not", "--not", "needs a filter"),
        ("hubble status", "hubble", "only `hubble observe`"),
        ("--port 1 --help", "--help", "no help here"),
        ("--first 3", "--first 3", "newest"),
    ],
)
def test_what_is_wrong_is_located(line: str, wrong: str, what: str) -> None:
    fault = read_command(line).fault
    assert fault is not None
    assert what in fault.what
    assert line[fault.start : fault.end] == wrong


def test_the_filters_before_a_fault_are_still_told() -> None:
    assert [str(item) for item in read_command("--port 80 --verdict NO").conditions] == ["--port 80"]


def test_conditions_know_their_place() -> None:
    line = "--port 80  --not   --verdict DROPPED -n shop"
    found = read_command(line).conditions
    assert [line[item.start : item.end] for item in found] == ["--port 80", "--not   --verdict DROPPED", "-n shop"]
    assert [str(item) for item in found] == ["--port 80", "--not --verdict DROPPED", "--namespace shop"]


@pytest.mark.parametrize(
    ("line", "passes"),
    [
        ("", True),
        ("--verdict DROPPED", True),
        ("--verdict FORWARDED", False),
        ("--from-pod shop/frontend --to-pod shop/backend --port 8080", True),
        ("--not --namespace shop", False),
        ("--port 53", False),
        ("--until 1970-01-01T00:00:00Z", False),
        ("--since 1970-01-01T00:00:00Z", True),
        ("""--allowlist '{"verdict":["DROPPED"]}'""", True),
        ("""--denylist '{"verdict":["DROPPED"]}'""", False),
    ],
)
def test_filters_mean_what_they_mean_to_hubble(line: str, passes: bool) -> None:
    flow = record(verdict=flow_pb2.DROPPED, time={"seconds": 100})
    found = read_command(line)
    assert found.fault is None
    assert found.predicate()(flow) is passes


def test_flags_without_meaning_here_are_said_to_have_none() -> None:
    assert read_command("-o json --server x:1").notes == ("--output, --server: no meaning in this table",)


def test_words_keep_quotes_and_places() -> None:
    words, fault = split("""a 'b c' "d\\"e" f\\ g""")
    assert fault is None
    assert [word.text for word in words] == ["a", "b c", 'd"e', "f g"]
    assert (words[1].start, words[1].end) == (2, 7)
