"""Kubeconfig files: found, merged, resolved, refused."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
import yaml

from lab_helpers.tools.rest.errors import ConfigError, kubectl_text
from lab_helpers.tools.rest.kubeconfigs import Overrides, merged, read, resolve

BASE = """\
apiVersion: v1
kind: Config
clusters:
- name: one
  cluster: {server: "https://one:6443"}
- name: two
  cluster: {server: "https://two", insecure-skip-tls-verify: true, certificate-authority-data: eA==}
users:
- name: a
  user: {token: secret}
- name: b
  user: {exec: {command: aws}}
contexts:
- name: first
  context: {cluster: one, user: a, namespace: shop}
- name: second
  context: {cluster: two, user: b}
- name: broken
  context: {cluster: nowhere, user: a}
current-context: first
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config"
    path.write_text(BASE, encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


def test_the_current_context_decides(config: Path) -> None:
    target = resolve(Overrides())
    assert (target.server, target.namespace, target.token) == ("https://one:6443", "shop", "secret")


def test_options_stand_above_the_file(config: Path) -> None:
    target = resolve(Overrides(namespace="dev", server="https://three:1", token="other"))
    assert (target.server, target.namespace, target.token) == ("https://three:1", "dev", "other")


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (Overrides(context="none"), "Error in configuration: context was not found for specified context: none"),
        (Overrides(cluster="none"), 'error: no server found for cluster "none"'),
        (Overrides(user="none"), 'error: auth info "none" does not exist'),
        (Overrides(kubeconfig="/nowhere/at/all"), "error: stat /nowhere/at/all: no such file or directory"),
    ],
)
def test_what_does_not_exist_is_named(config: Path, overrides: Overrides, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(overrides)
    assert kubectl_text(caught.value) == text


def test_credential_plugins_are_refused_with_a_reason(config: Path) -> None:
    with pytest.raises(ConfigError, match="start no credential plug-ins"):
        resolve(Overrides(context="second"))


def test_earlier_files_win_and_missing_ones_do_not_matter(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = base64.b64encode(b"pem").decode()
    other = tmp_path / "other"
    other.write_text(
        "clusters:\n- name: one\n  cluster:\n    server: https://other\n"
        f"    certificate-authority-data: {ca}\ncurrent-context: second\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(other), str(tmp_path / "absent"), str(config)]))
    assert merged()["current-context"] == "second"
    target = resolve(Overrides(context="first"))
    assert (target.server, target.ca) == ("https://other", b"pem")


def test_relative_paths_start_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ca.crt").write_bytes(b"PEM")
    (tmp_path / "token").write_text("t0ken\n", encoding="utf-8")
    path = tmp_path / "config"
    path.write_text(
        "clusters:\n- name: c\n  cluster:\n    server: https://c\n    certificate-authority: ca.crt\n"
        "users:\n- name: u\n  user:\n    tokenFile: token\n"
        "contexts:\n- name: x\n  context:\n    cluster: c\n    user: u\ncurrent-context: x\n",
        encoding="utf-8",
    )
    monkeypatch.chdir("/")
    target = resolve(Overrides(kubeconfig=str(path)))
    assert (target.ca, target.token) == (b"PEM", "t0ken")


def test_without_a_configuration_it_is_the_local_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    assert resolve(Overrides()).server == "http://localhost:8080"


def test_broken_yaml_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("a: [\nb: c\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"config.*yaml: line 3"):
        resolve(Overrides(kubeconfig=str(path)))


@pytest.mark.parametrize("libyaml", [True, False])
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"kind": "Config", "users": []}', {"kind": "Config", "users": []}),
        ("{kind: Config, users: []}", {"kind": "Config", "users": []}),
        ("---\nusers:\n  - name: 'a b'\n    user: {}  # nobody\n", {"users": [{"name": "a b", "user": {}}]}),
        ("users:\n- name: >-\n    a\n", {"users": [{"name": "a"}]}),
        ("# only a remark\n", {}),
        ("", {}),
    ],
)
def test_json_and_yaml_are_read_with_and_without_libyaml(
    libyaml: bool, text: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not libyaml:
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    (tmp_path / "config").write_text(text, encoding="utf-8")
    assert read(str(tmp_path / "config")) == value
