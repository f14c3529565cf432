"""kubectl's dialect of JSONPath."""

from __future__ import annotations

import pytest

from lab_helpers.tools.kubectl.output.jsonpaths import JsonPathError, parse, render

PODS = {
    "items": [
        {
            "metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "x"}},
            "n": 1,
            "ready": True,
            "list": [1, 2, 3],
        },
        {"metadata": {"name": "b"}, "n": 2, "ready": False, "empty": None},
    ]
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{.items[*].metadata.name}", "a b"),
        ("{$.items[*].metadata.name}", "a b"),
        ("names: {.items[*].metadata.name}!", "names: a b!"),
        ("{.items[0].n}{.items[1].n}", "12"),
        ("{.items[-1].n}", "2"),
        ("{.items[0].list[1:]}", "2 3"),
        ("{.items[0].list[::2]}", "1 3"),
        ("{.items[0].list}", "[1,2,3]"),
        ("{.items[0].ready}", "true"),
        ("{.items[1].empty}", ""),
        ("{.items[0]['metadata'].name}", "a"),
        ("{.items[0].metadata['name']}", "a"),
        ("{.items[0]['n','ready']}", "1 true"),
        ("{.items[0].metadata.labels.app\\.kubernetes\\.io/name}", "x"),
        ("{..name}", "a b"),
        ("{.items[?(@.n==2)].metadata.name}", "b"),
        ("{.items[?(@.n>=1)].metadata.name}", "a b"),
        ('{.items[?(@.metadata.name=="a")].n}', "1"),
        ('{.items[?(@.metadata.name!="a")].n}', "2"),
        ("{.items[?(@.metadata.labels)].n}", "1"),
        ("{.items[?(@.ready==true)].n}", "1"),
        ('{range .items[*]}{.metadata.name}{"\\t"}{.n}{"\\n"}{end}', "a\t1\nb\t2\n"),
        ("{range .items[*]}[{.n}]{end}", "[1][2]"),
        ("{.nope}", ""),
        ("{.items[*].nope}", ""),
        ("{'text'}", "text"),
    ],
)
def test_templates(template: str, text: str) -> None:
    assert render(parse(template), PODS) == text


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("{.a", "unclosed action"),
        ("{.a[0}", "unterminated array"),
        ("{end}", "nothing to end"),
        ("{.a[?(@.b]}", "filter"),
    ],
)
def test_broken_templates_are_refused(template: str, complaint: str) -> None:
    with pytest.raises(JsonPathError, match=complaint):
        parse(template)


def test_an_index_beyond_the_end_is_an_error() -> None:
    with pytest.raises(JsonPathError, match="array index out of bounds: index 9, length 2"):
        render(parse("{.items[9].n}"), PODS)


def test_a_missing_field_is_an_error_when_asked_for() -> None:
    with pytest.raises(JsonPathError, match="nope is not found"):
        render(parse("{.nope}"), PODS, strict=True)
