from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest

from lab_helpers.tools.goflags import Invocation
from lab_helpers.tools.helm import launching
from lab_helpers.tools.helm.commands import installing, querying, undoing
from lab_helpers.tools.helm.releases import Helm
from lab_helpers.tools.helm.settings import covered, user_values
from tests.tools.helm.fakes import FakeApi, path_of


class Shell:
    """Runs helm against a fake API."""

    def __init__(self) -> None:
        self.api = FakeApi()

    def run(self, *words: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        code = launching.main(list(words), out, err)
        return code, out.getvalue(), err.getvalue()

    def ok(self, *words: str) -> str:
        code, out, err = self.run(*words)
        assert (code, err) == (0, "")
        return out

    def fails(self, *words: str) -> str:
        code, _, err = self.run(*words)
        assert code == 1
        return err


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    monkeypatch.setenv("HELM_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("HELM_REPOSITORY_CONFIG", raising=False)
    made = Shell()

    def connect(call: Invocation) -> Helm:
        return Helm(made.api, path_of, call.flags["namespace"] or "default", sleep=lambda _: None)

    for module in (installing, querying, undoing):
        monkeypatch.setattr(module, "helm_of", connect)
    return made


@pytest.fixture
def ready(shell: Shell) -> Shell:
    shell.ok("repo", "add", "cilium", "https://helm.cilium.io/")
    return shell


def install(shell: Shell, *words: str) -> str:
    return shell.ok("install", "cilium", "cilium/cilium", "--namespace", "kube-system", *words)


def test_repositories(shell: Shell) -> None:
    assert shell.fails("repo", "list") == "Error: no repositories to show\n"
    assert shell.fails("repo", "update") == "Error: no repositories found. You must add one before updating\n"
    assert shell.ok("repo", "add", "cilium", "https://helm.cilium.io/") == (
        '"cilium" has been added to your repositories\n'
    )
    assert shell.ok("repo", "add", "cilium", "https://helm.cilium.io/") == (
        '"cilium" already exists with the same configuration, skipping\n'
    )
    assert shell.ok("repo", "list") == "NAME  \tURL                    \ncilium\thttps://helm.cilium.io/\n"
    assert shell.ok("repo", "update").endswith("Update Complete. ⎈Happy Helming!⎈\n")
    assert shell.ok("search", "repo", "cilium").splitlines() == [
        "NAME         \tCHART VERSION\tAPP VERSION\tDESCRIPTION                                       ",
        "cilium/cilium\t1.20.2       \t1.20.2     \teBPF-based Networking, Security, and Observability",
    ]
    assert shell.ok("repo", "remove", "cilium") == '"cilium" has been removed from your repositories\n'


def test_an_unknown_repository_cannot_be_added(shell: Shell) -> None:
    assert shell.fails("repo", "add", "other", "https://example.com").startswith(
        'Error: looks like "https://example.com" is not a valid chart repository or cannot be reached: '
    )


def test_the_page_after_an_installation(ready: Shell) -> None:
    out = install(ready, "--version", "1.20.2")
    assert re.sub(r"LAST DEPLOYED: .*", "LAST DEPLOYED: now", out) == (
        "NAME: cilium\n"
        "LAST DEPLOYED: now\n"
        "NAMESPACE: kube-system\n"
        "STATUS: deployed\n"
        "REVISION: 1\n"
        "TEST SUITE: None\n"
        "NOTES:\n"
        "You have successfully installed Cilium with Hubble.\n"
        "\n"
        "Your release version is 1.20.2.\n"
        "\n"
        "For any further help, visit https://docs.cilium.io/en/v1.20/gettinghelp\n"
    )
    assert re.search(r"LAST DEPLOYED: \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\n", out)


def test_upgrading_and_looking_back(ready: Shell) -> None:
    install(ready, "--set", "debug.enabled=true")
    out = ready.ok(
        "upgrade", "cilium", "cilium/cilium", "-n", "kube-system", "--reuse-values", "--set", "l7Proxy=false"
    )
    assert out.startswith('Release "cilium" has been upgraded. Happy Helming!\nNAME: cilium\n')
    assert ready.ok("get", "values", "cilium", "-n", "kube-system") == (
        "USER-SUPPLIED VALUES:\ndebug:\n  enabled: true\nl7Proxy: false\n"
    )
    assert ready.ok("get", "values", "cilium", "-n", "kube-system", "--revision", "1", "-o", "json") == (
        '{"debug":{"enabled":true}}\n'
    )
    history = ready.ok("history", "cilium", "-n", "kube-system").splitlines()
    assert history[0].split("\t")[0].strip() == "REVISION"
    assert [line.split("\t")[2].strip() for line in history[1:]] == ["superseded", "deployed"]
    assert history[2].split("\t")[5].strip() == "Upgrade complete"
    assert ready.ok("rollback", "cilium", "1", "-n", "kube-system") == "Rollback was a success! Happy Helming!\n"


def test_listing(ready: Shell) -> None:
    head = "NAME\tNAMESPACE\tREVISION\tUPDATED\tSTATUS\tCHART\tAPP VERSION\n"
    assert ready.ok("list", "-n", "kube-system") == head
    install(ready)
    assert ready.ok("list") == head
    row = ready.ok("list", "-A").splitlines()[1].split("\t")
    assert [cell.strip() for cell in (*row[:3], *row[4:])] == [
        "cilium",
        "kube-system",
        "1",
        "deployed",
        "cilium-1.20.2",
        "1.20.2",
    ]
    assert ready.ok("list", "-A", "-q") == "cilium\n"


def test_no_values_were_given(ready: Shell) -> None:
    install(ready)
    assert ready.ok("get", "values", "cilium", "-n", "kube-system") == "USER-SUPPLIED VALUES:\nnull\n"


def test_upgrade_installs_when_asked(ready: Shell) -> None:
    out = ready.ok("upgrade", "--install", "cilium", "cilium/cilium", "-n", "kube-system")
    assert out.startswith('Release "cilium" does not exist. Installing it now.\nNAME: cilium\n')


def test_values_from_a_file(ready: Shell, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("kubeProxyReplacement: true\nhubble:\n  relay:\n    enabled: true\n", encoding="utf-8")
    out = install(ready, "-f", str(file))
    assert "You have successfully installed Cilium with Hubble Relay.\n" in out
    assert ready.api.find("ConfigMap", "cilium-config")["data"]["kube-proxy-replacement"] == "true"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("install",), '"helm install" requires at least 1 argument\n\nUsage:  helm install [NAME] [CHART] [flags]'),
        (("install", "cilium"), "INSTALLATION FAILED: must either provide a name or specify --generate-name"),
        (("install", "c", "other/cilium"), "INSTALLATION FAILED: repo other not found"),
        (
            ("install", "c", "cilium/tetragon"),
            (
                'INSTALLATION FAILED: chart "tetragon" matching  not found in cilium index. '
                "(try 'helm repo update'): "
                "no chart name found"
            ),
        ),
        (
            ("install", "c", "cilium/cilium", "--version", "1.99.0"),
            (
                'INSTALLATION FAILED: chart "cilium" matching 1.99.0 not found in cilium index. '
                "(try 'helm repo update'): "
                "no chart version found for cilium-1.99.0"
            ),
        ),
        (
            ("install", "c", "cilium/cilium", "--set", "kubeProxyReplacement=strict"),
            (
                "INSTALLATION FAILED: execution error at (cilium/templates/cilium-configmap.yaml:79:5): "
                "kubeProxyReplacement must be explicitly set to a valid value (true or false) to continue."
            ),
        ),
        (
            ("install", "c", "cilium/cilium", "--set", "hubble.enabled=maybe"),
            (
                "INSTALLATION FAILED: values don't meet the specifications of the schema(s) "
                "in the following chart(s):\ncilium:\n- at '/hubble/enabled': got string, want boolean\n"
            ),
        ),
        (
            ("install", "c", "cilium/cilium", "--set", "debug"),
            'INSTALLATION FAILED: failed parsing --set data: key "debug" has no value',
        ),
        (("upgrade", "cilium", "cilium/cilium"), 'UPGRADE FAILED: "cilium" has no deployed releases'),
        (("status", "cilium"), "release: not found"),
        (("history", "cilium"), "release: not found"),
        (("rollback", "cilium"), "release: not found"),
        (("uninstall", "cilium"), "uninstall: Release not loaded: cilium: release: not found"),
    ],
)
def test_errors(ready: Shell, words: tuple[str, ...], message: str) -> None:
    assert ready.fails(*words) == f"Error: {message}\n"


def test_templates_are_refused_with_a_reason(shell: Shell) -> None:
    assert shell.fails("template", "cilium", "cilium/cilium").startswith(
        "Error: helm template is not part of the bundled helm: "
    )


def test_a_dry_run_shows_the_manifest(ready: Shell) -> None:
    out = install(ready, "--dry-run")
    assert "STATUS: pending-install\n" in out
    assert "HOOKS:\nMANIFEST:\n---\n# Source: cilium/templates/cilium-secrets-namespace.yaml\n" in out
    assert not ready.api.writes


def test_uninstalling(ready: Shell) -> None:
    install(ready)
    assert ready.ok("uninstall", "cilium", "-n", "kube-system") == 'release "cilium" uninstalled\n'
    assert ready.fails("status", "cilium", "-n", "kube-system") == "Error: release: not found\n"


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["a=1", "b.c=x"], {"a": 1, "b": {"c": "x"}}),
        (["a=true,b=null,c=007,d=1.5"], {"a": True, "b": None, "c": "007", "d": "1.5"}),
        (["list={x,y},empty={}"], {"list": ["x", "y"], "empty": []}),
        (["items[1].name=z"], {"items": [None, {"name": "z"}]}),
        ([r"a\.b/c=d\,e"], {"a.b/c": "d,e"}),
        (["a="], {"a": ""}),
    ],
)
def test_set_notation(words: list[str], values: dict[str, Any]) -> None:
    assert user_values(settings=words) == values


def test_texts_and_json() -> None:
    assert user_values(strings=["a=1"]) == {"a": "1"}
    assert user_values(json_settings=['a=[{"b": 1}]']) == {"a": [{"b": 1}]}


def test_null_removes_a_default() -> None:
    assert covered({"a": 1, "b": {"c": 2, "d": 3}}, {"a": None, "b": {"c": None}}) == {"b": {"d": 3}}
