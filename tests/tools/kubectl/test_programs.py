"""The bundled kubectl as a program: standard input, exit codes, files of all sorts, bad input."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

GOOD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-input}\ndata: {a: b}\n"


def test_apply_from_standard_input(program: Any) -> None:
    assert program("apply", "-f", "-", text=GOOD).out == "configmap/from-input created\n"
    assert program("apply", "-f", "-", text=GOOD).out == "configmap/from-input unchanged\n"
    assert program("apply", "-f", "-", text=GOOD.replace("a: b", "c: d")).out == "configmap/from-input configured\n"
    assert program("get", "cm", "from-input", "-o", "jsonpath={.data}").out == '{"c":"d"}'
    assert program("delete", "-f", "-", text=GOOD).out == 'configmap "from-input" deleted\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "a: b: c\n",
            "error: error parsing STDIN: error converting YAML to JSON: yaml: mapping values are not allowed",
        ),
        ("apiVersion: v1\nkind: Pod\n metadata: x\n", "yaml: line 3: mapping values are not allowed in this context"),
        ("apiVersion: v1\n", "error validating data: kind not set"),
        ("just words\n", "error validating data: invalid object to validate"),
        ("apiVersion: v9\nkind: Foo\nmetadata: {name: x}\n", 'no matches for kind "Foo" in version "v9"'),
        ("", "error: no objects passed to apply"),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Bad_Name}\n",
            'The ConfigMap "Bad_Name" is invalid: metadata.name',
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\nfoo: bar\n",
            'strict decoding error: unknown field "foo"',
        ),
    ],
)
def test_bad_manifests_are_explained_and_change_nothing(program: Any, text: str, complaint: str) -> None:
    done = program("apply", "-f", "-", text=text)
    assert done.code == 1
    assert done.out == ""
    assert complaint in done.err
    assert "Traceback" not in done.err


def test_good_documents_are_applied_beside_bad_ones(program: Any) -> None:
    done = program("apply", "-f", "-", text=f"{GOOD}---\napiVersion: v9\nkind: Foo\nmetadata: {{name: x}}\n")
    assert (done.code, done.out) == (1, "configmap/from-input created\n")
    assert program("delete", "cm", "from-input").code == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("apply", "-f", "https://example.com/x.yaml"), "reads no URLs"),
        (("apply", "-k", "."), "kustomize"),
        (("apply", "-f", "x", "--prune"), "apply --prune"),
        (("cp", "/no/such/file", "b:c"), "error: /no/such/file doesn't exist in local filesystem"),
        (("cp", "a:b", "c:d"), "error: one of src or dest must be a local file specification"),
        (("debug", "node/x"), "kubectl debug of nodes and of copies of pods is not part"),
        (("completion", "bash"), "kubectl completion is not part"),
        (("get", "pods", "-o", "go-template={{.x}}"), "-o go-template is not part"),
        (("top", "pods"), "error: Metrics API not available"),
    ],
)
def test_what_is_not_bundled_is_refused_with_a_reason(program: Any, words: tuple[str, ...], complaint: str) -> None:
    done = program(*words)
    assert done.code == 1
    assert complaint in done.err


@pytest.mark.parametrize(
    "words", [("--help",), ("get", "--help"), ("rollout", "--help"), ("rollout", "status", "-h"), ("help", "wait")]
)
def test_help_has_usage_and_examples(program: Any, words: tuple[str, ...]) -> None:
    done = program(*words)
    assert done.code == 0
    assert "Usage:\n  kubectl" in done.out
    assert len(words) == 1 or "Examples:" in done.out


def test_every_command_has_a_help_page(bundled: Any) -> None:
    from lab_helpers.tools.kubectl.verbs import VERBS

    for verb in VERBS:
        if verb.module:
            assert bundled(verb.name, "--help").out.count("Usage:") == 1, verb.name


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_a_closed_pipe_ends_quietly(twin: Path) -> None:
    line = f'"{sys.executable}" -m lab_helpers.tools.kubectl get pods -A -o yaml | head -1'
    environ = {**os.environ, "KUBECONFIG": str(twin)}
    done = subprocess.run(line, shell=True, capture_output=True, text=True, env=environ, check=False)
    assert done.stdout == "apiVersion: v1\n"
    assert done.stderr == ""


def test_edit_uses_the_editor(program: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editor = tmp_path / "editor.py"
    editor.write_text(
        "import pathlib, sys\np = pathlib.Path(sys.argv[1])\np.write_text(p.read_text().replace('mode: test', "
        "'mode: edited'))\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("KUBE_EDITOR", f"{sys.executable} {editor}")
    assert program("edit", "cm/settings", "-n", "golden").out == "configmap/settings edited\n"
    assert program("get", "cm", "settings", "-n", "golden", "-o", "jsonpath={.data.mode}").out == "edited"
    assert program("patch", "cm", "settings", "-n", "golden", "-p", '{"data":{"mode":"test"}}').code == 0


def test_a_kubeconfig_is_changed_in_place(program: Any, twin: Path, tmp_path: Path) -> None:
    copy = tmp_path / "config"
    copy.write_bytes(twin.read_bytes())
    done = program("--kubeconfig", str(copy), "config", "set-context", "--current", "--namespace=golden")
    assert done.out == 'Context "cilium-labs" modified.\n'
    assert program("--kubeconfig", str(copy), "get", "cm", "settings", "-o", "name").out == "configmap/settings\n"
