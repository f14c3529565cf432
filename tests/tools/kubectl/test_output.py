"""YAML, tables, ages, titles, quantities."""

from __future__ import annotations

import io

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lab_helpers.tools.kubectl.describing.general import title_of
from lab_helpers.tools.kubectl.describing.quantities import canonical
from lab_helpers.tools.kubectl.output.ages import human_duration
from lab_helpers.tools.kubectl.output.jsontexts import json_text
from lab_helpers.tools.kubectl.output.tables import Tabwriter, aligned
from lab_helpers.tools.kubectl.output.yamltexts import yaml_text
from lab_helpers.tools.kubectl.sorting import natural_key
from lab_helpers.tools.kubectl.yamlreading import LOADER

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(codec="utf-8", exclude_categories=["C"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz019./-_~", min_size=1), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
def test_yaml_reads_back_as_it_was_written(value: object) -> None:
    assert yaml.load(yaml_text(value), Loader=LOADER) == value


def test_keys_become_text() -> None:
    found = yaml.load("{y: a, 80: b, 1.5: c, 1e3: d, off: e, f: {2: g}}", Loader=LOADER)
    assert found == {"true": "a", "80": "b", "1.5": "c", "1000": "d", "false": "e", "f": {"2": "g"}}


def test_a_key_without_text_is_refused() -> None:
    with pytest.raises(yaml.YAMLError, match="unsupported map key of type: null"):
        yaml.load("{~: a}", Loader=LOADER)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": "true", "a": "1"}, 'a: "1"\nb: "true"\n'),
        ({"t": "2025-01-01T00:00:00Z"}, 't: "2025-01-01T00:00:00Z"\n'),
        ({"e": {}, "l": [], "z": None}, "e: {}\nl: []\nz: null\n"),
        ({"l": [{"a": 1, "b": 2}]}, "l:\n- a: 1\n  b: 2\n"),
        ({"m": "one\ntwo\n"}, "m: |\n  one\n  two\n"),
        ({"m": "one\ntwo"}, "m: |-\n  one\n  two\n"),
        ({"s": "a: b"}, "s: 'a: b'\n"),
        ({"y": "y", "n": "no"}, '"n": "no"\n"y": "y"\n'),
        ({"v": "1.20.2", "w": "1.20"}, 'v: 1.20.2\nw: "1.20"\n'),
        ({"k10": 1, "k9": 2}, "k9: 2\nk10: 1\n"),
    ],
)
def test_yaml_has_the_form_of_kubectl(value: object, text: str) -> None:
    assert yaml_text(value) == text


def test_json_escapes_what_go_escapes() -> None:
    assert json_text({"b": "<a&b>", "a": 1}) == '{\n    "a": 1,\n    "b": "\\u003ca\\u0026b\\u003e"\n}'


def test_columns_are_as_wide_as_their_widest_cell_and_stay_so() -> None:
    out = io.StringIO()
    table = Tabwriter(out)
    table.row(["NAME", "AGE"])
    table.row(["a-long-name", "5s"])
    table.flush()
    table.row(["b", "1s"])
    table.flush()
    assert out.getvalue() == "NAME          AGE\na-long-name   5s\nb             1s\n"


def test_columns_of_neighbouring_lines_only() -> None:
    assert aligned([["a", "b"], ["long", "c"], ["alone"], ["x", "y"]]) == ["a     b", "long  c", "alone", "x  y"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (119, "119s"), (120, "2m"), (130, "2m10s"), (600, "10m"), (10_799, "179m"), (10_800, "3h"),
     (11_100, "3h5m"), (100_000, "27h"), (180_000, "2d2h"), (864_000, "10d"),
     (86_400 * 800, "2y70d"), (-5, "<invalid>")],
)  # fmt: skip
def test_ages(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("field", "title"),
    [("fromEndpoints", "From Endpoints"), ("toFQDNs", "To FQD Ns"), ("apiVersion", "API Version"), ("uid", "UID"),
     ("k8s:app", "k8s:app"), ("ports", "Ports")],
)  # fmt: skip
def test_titles_of_unknown_fields(field: str, title: str) -> None:
    assert title_of(field) == title


@pytest.mark.parametrize(
    ("text", "short"), [("16384Mi", "16Gi"), ("100m", "100m"), ("1000m", "1"), ("8", "8"), ("110", "110")]
)
def test_quantities_are_shortened(text: str, short: str) -> None:
    assert canonical(text) == short


def test_numbers_inside_names_sort_by_value() -> None:
    assert sorted(["b10", "b9", "a"], key=natural_key) == ["a", "b9", "b10"]
