"""``cilium-labs policy`` on manifests and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from lab_helpers.cli.policy import policy as command
from lab_helpers.policy import parse

from .conftest import DATA, case_of, policy, written_cases

SHOP = str(DATA / "shop.yaml")


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(command, arguments, input=stdin, catch_exceptions=False)


def write(folder: Path, *manifests: dict[str, Any], name: str = "new.yaml") -> str:
    path = folder / name
    path.write_text(yaml.safe_dump_all(manifests, sort_keys=False), encoding="utf-8")
    return str(path)


def allow_frontend(port: str = "8080", **more: Any) -> dict[str, Any]:
    ports = {"ports": [{"port": port, "protocol": "TCP"}], **more}
    peers = [{"matchLabels": {"app": "frontend"}}]
    spec = {
        "endpointSelector": {"matchLabels": {"app": "backend"}},
        "ingress": [{"fromEndpoints": peers, "toPorts": [ports]}],
    }
    return policy("cnp", spec, name="backend-allow-frontend")


def test_verdicts_stream_and_outlive_a_bad_line(tmp_path: Path) -> None:
    case = case_of(written_cases()[0])
    lines = [json.dumps(case), "{not json", json.dumps({"name": "no identities"}), json.dumps(case)]
    source, target = tmp_path / "cases.jsonl", tmp_path / "out.jsonl"
    source.write_text("\n".join(lines), encoding="utf-8")

    result = run("verdicts", "--input", str(source), "--output", str(target))

    answers = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert result.exit_code == 1
    assert [answer["name"] for answer in answers] == [case["name"], "", "no identities", case["name"]]
    assert "line 2, column 2" in result.stderr
    assert "line 3: no identities: identities" in result.stderr
    assert answers[0]["flows"][0]["egressWhy"] == "not-enforced"


def test_verdicts_from_stdin() -> None:
    result = run("verdicts", stdin=json.dumps(case_of(written_cases()[0])) + "\n")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["policies"] == []


def test_why_tells_the_rule_and_its_line(tmp_path: Path) -> None:
    new = write(tmp_path, allow_frontend())
    result = run("why", "-f", SHOP, "-f", new, "--from", "shop/frontend", "--to", "shop/backend:8080")
    assert result.exit_code == 0
    assert "ALLOWED" in result.stdout
    assert f"allow CiliumNetworkPolicy/shop/backend-allow-frontend spec.ingress[0] ({new}:" in result.stdout
    assert "match type L3-L4" in result.stdout


def test_why_tells_of_the_default_deny(tmp_path: Path) -> None:
    new = write(tmp_path, allow_frontend())
    result = run("why", "-f", SHOP, "-f", new, "--from", "dev/intruder", "--to", "shop/backend:8080", "-o", "json")
    answer = json.loads(result.stdout)
    assert result.exit_code == 3
    assert (answer["ingress"]["why"], answer["ingress"]["dropReason"]) == ("default-deny", 133)
    assert answer["ingress"]["misses"][0]["reason"].startswith("the peer is not")


def test_why_through_a_service(tmp_path: Path) -> None:
    result = run("why", "-f", SHOP, "--from", "10.0.1.9", "--to", "svc/shop/backend:80")
    assert result.exit_code == 0
    assert "Service shop/backend:80 goes to shop/backend:8080" in result.stdout


def test_every_flip_is_confirmed_by_the_engine(tmp_path: Path) -> None:
    new = write(tmp_path, allow_frontend(rules={"http": [{"method": "GET", "path": "/api/.*"}]}))
    question = ["--from", "shop/frontend", "--to", "shop/backend:8080", "--http", "GET /admin"]
    result = run("why", "-f", SHOP, "-f", new, *question, "--flip", "-o", "json")
    manifests = [flip["manifest"] for flip in json.loads(result.stdout)["flips"] if flip["manifest"]]
    assert result.exit_code == 3
    assert manifests
    for number, manifest in enumerate(manifests):
        assert parse(manifest).rules
        flip = write(tmp_path, manifest, name=f"flip-{number}.yaml")
        assert run("why", "-f", SHOP, "-f", new, "-f", flip, *question).exit_code == 0


def test_a_flip_by_label(tmp_path: Path) -> None:
    typo = allow_frontend()
    typo["spec"]["ingress"][0]["fromEndpoints"][0]["matchLabels"]["app"] = "frontned"
    new = write(tmp_path, typo)
    result = run("why", "-f", SHOP, "-f", new, "--from", "shop/frontend", "--to", "shop/backend:8080", "--flip")
    assert "1. shop/frontend with the label app=frontned" in result.stdout


def test_matrix_as_text_json_and_html(tmp_path: Path) -> None:
    new = write(tmp_path, allow_frontend())
    answer = json.loads(run("matrix", "-f", SHOP, "-f", new, "-n", "shop", "-o", "json").stdout)
    row = dict(zip(map(str, answer["sources"]), answer["verdicts"], strict=True))
    assert [target["name"] for target in answer["targets"]] == ["shop/backend", "shop/frontend", "world"]
    assert row["shop/frontend"] == ["allowed", "allowed", "allowed"]
    assert row["world"] == ["denied", "allowed", "allowed"]
    assert "✗" in run("matrix", "-f", SHOP, "-f", new).stdout
    assert "<table>" in run("matrix", "-f", SHOP, "-f", new, "-o", "html").stdout


def test_diff_tells_what_would_change(tmp_path: Path) -> None:
    new = write(tmp_path, allow_frontend())
    result = run("diff", "-b", SHOP, "-f", new)
    assert result.exit_code == 3
    assert "dev/intruder → shop/backend:8080/TCP: allowed → denied" in result.stdout
    assert run("diff", "-b", SHOP, "-b", new, "-f", new).exit_code == 0


def test_diff_of_a_refused_policy(tmp_path: Path) -> None:
    new = write(tmp_path, policy("cnp", {"endpointSelector": {}, "ingress": []}))
    result = run("diff", "-b", SHOP, "-f", new)
    assert result.exit_code == 1
    assert "rule must have at least one of" in result.stderr


def topics(namespace: str = "shop") -> dict[str, Any]:
    port = {
        "ports": [{"port": "8080", "protocol": "TCP"}],
        "rules": {"kafka": [{"role": "produce", "topic": "orders"}]},
    }
    peers = [{"matchLabels": {"app": "frontend"}}]
    return {
        "endpointSelector": {"matchLabels": {"app": "backend"}},
        "ingress": [{"fromEndpoints": peers, "toPorts": [port]}],
    }


def test_diff_of_versions_lists_what_is_pruned_and_what_opens(tmp_path: Path) -> None:
    new = write(tmp_path, policy("cnp", topics()))
    result = run("diff", "--versions", "1.19", "1.20", "-f", SHOP, "-f", new)
    assert result.exit_code == 3
    assert "CiliumNetworkPolicy/shop/p spec.ingress[0].toPorts[0].rules.kafka: pruned by 1.20" in result.stdout
    assert "shop/frontend → shop/backend:8080/TCP: proxied → allowed" in result.stdout
    back = run("diff", "--versions", "1.20", "1.19", "-f", SHOP, "-f", new, "-o", "json")
    assert back.exit_code == 3
    found = json.loads(back.stdout)
    assert [(item["version"], item["effect"]) for item in found["objects"]] == [("1.20", "pruned")]
    assert found["changes"][0]["before"] == "allowed"


def test_diff_of_versions_lists_what_one_of_them_refuses(tmp_path: Path) -> None:
    spec = {"endpointSelector": {"matchLabels": {"app": "backend"}}, "ingress": [{"fromEntities": ["cluster-mesh"]}]}
    new = write(tmp_path, policy("cnp", spec))
    result = run("diff", "--versions", "1.19", "1.20", "-f", SHOP, "-f", new)
    assert result.exit_code == 3
    assert "refused by 1.19: " in result.stdout
    assert "unsupported entity: cluster-mesh" in result.stdout
    assert "world → shop/backend:8080/TCP: allowed → denied" in result.stdout


def test_diff_of_versions_without_pods_uses_the_selectors(tmp_path: Path) -> None:
    new = write(tmp_path, policy("cnp", topics()))
    result = run("diff", "--versions", "1.19", "v1.20.2", "-f", new)
    assert result.exit_code == 3
    assert "shop/frontend → shop/backend:8080/TCP: proxied → allowed" in result.stdout
    assert "pods as the selectors say: shop/backend, shop/frontend, shop/others" in result.stderr


def test_diff_of_versions_that_agree(tmp_path: Path) -> None:
    assert run("diff", "--versions", "1.19", "1.20", "-f", SHOP).exit_code == 0
    bad = write(tmp_path, policy("cnp", {"endpointSelector": {}, "ingress": []}))
    result = run("diff", "--versions", "1.19", "1.20", "-f", SHOP, "-f", bad)
    assert result.exit_code == 1
    assert "refused by both" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["why", "-f", SHOP, "--from", "shop/fronted", "--to", "shop/backend:80"], "did you mean shop/frontend"),
        (["why", "-f", SHOP, "--from", "shop/frontend", "--to", "shop/backend"], "needs a port"),
        (["why", "-f", SHOP, "--from", "world", "--to", "shop/backend:grpc"], "no port called 'grpc'"),
        (["matrix", "-f", "nowhere.yaml"], "no such file"),
        (["matrix", "-f", SHOP, "-p", "http"], "is no port"),
        (["diff", "--versions", "1.18", "1.20", "-f", SHOP], "no version known here: 1.19 and 1.20"),
        (["diff", "--versions", "1.19", "1.20", "-f", SHOP, "-b", SHOP], "-b does not go with --versions"),
        (["diff", "-f", SHOP, "--cluster"], "--cluster goes with --versions"),
        (["diff"], "Missing option '-f'"),
        (["learn", "-n", "shop", "--since", "soon", "--flows", "-"], "no flow that got through"),
        (["verdicts", "--input", "nowhere.jsonl"], "No such file"),
    ],
)
def test_mistakes_are_told_in_plain_words(arguments: list[str], told: str) -> None:
    result = run(*arguments, stdin="")
    assert result.exit_code != 0
    assert told in result.stderr


def test_broken_yaml_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("kind: Pod\nmetadata: {name: [}\n", encoding="utf-8")
    result = run("lint", "-f", str(tmp_path))
    assert result.exit_code == 1
    assert "broken.yaml:2:" in result.stderr


def test_why_says_where_a_real_cluster_may_differ(tmp_path: Path) -> None:
    negative = [{"matchExpressions": [{"key": "reserved:world", "operator": "DoesNotExist"}]}]
    spec = {"endpointSelector": {"matchLabels": {"app": "backend"}}, "ingress": [{"fromEndpoints": negative}]}
    new = write(tmp_path, policy("cnp", spec))
    result = run("why", "-f", SHOP, "-f", new, "--from", "203.0.113.9", "--to", "shop/backend:8080")
    assert result.exit_code == 3
    assert "https://github.com/cilium/cilium/issues/46949" in result.stdout


def test_dry_run_tells_which_recorded_flows_would_be_cut(tmp_path: Path) -> None:
    def end(name: str, number: int, namespace: str) -> dict[str, Any]:
        labels = [
            f"k8s:app={name}",
            f"k8s:io.kubernetes.pod.namespace={namespace}",
            "k8s:io.cilium.k8s.policy.cluster=default",
        ]
        return {"identity": number, "labels": labels, "namespace": namespace, "pod_name": name}

    l4 = {"TCP": {"source_port": 40000, "destination_port": 8080}}
    flows = [
        {"flow": {"verdict": "FORWARDED", "source": source, "destination": end("backend", 301, "shop"), "l4": l4}}
        for source in (end("frontend", 300, "shop"), end("intruder", 302, "dev"))
    ]
    recorded = tmp_path / "flows.jsonl"
    recorded.write_text("\n".join(map(json.dumps, flows)), encoding="utf-8")
    new = write(tmp_path, allow_frontend())

    result = run("dry-run", "-f", new, "--alone", "--flows", str(recorded))

    assert result.exit_code == 3
    assert "dev/intruder → shop/backend:8080/TCP: ingress denied (default-deny)" in result.stdout
    assert "1 of 2 connections would have been cut" in result.stdout

    learned = run("learn", "-n", "shop", "--flows", str(recorded))
    assert learned.exit_code == 0
    (tmp_path / "learned.yaml").write_text(learned.stdout, encoding="utf-8")
    again = run("dry-run", "-f", str(tmp_path / "learned.yaml"), "--alone", "--flows", str(recorded))
    assert again.exit_code == 0
