"""The quick kubeconfig reader agrees with PyYAML wherever it answers at all."""

from __future__ import annotations

import pytest
import yaml

from lab_helpers.tools.rest.quickyaml import parse

KUBECONFIG = """\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: LS0tLS1CRUdJTi==
    server: https://127.0.0.1:6443
  name: kind-cilium-labs
contexts:
- context:
    cluster: kind-cilium-labs
    user: kind-cilium-labs
    namespace: "shop"
  name: kind-cilium-labs
current-context: kind-cilium-labs
kind: Config
preferences: {}
users:
  - name: kind-cilium-labs
    user:
      token: abc.def-ghi_jkl
      insecure: true
"""


@pytest.mark.parametrize(
    "text",
    [KUBECONFIG, "", "# only a remark\n", "a:\n  b:\n    - x\n    - y\nc: ~\n", "---\na: 'b c'\n", "empty:\nnext: x\n"],
)
def test_simple_documents_are_read_as_pyyaml_reads_them(text: str) -> None:
    assert parse(text) == (yaml.safe_load(text) or {})


@pytest.mark.parametrize(
    "text",
    [
        "a: |\n  b\n",
        "a: {b: c}\n",
        "a: &x b\n",
        'a: "b\\n"\n',
        "a: 1\n",
        "a: b # c\n",
        "a: b\n   c: d\n",
        "a: b\na: c\n",
        "- a\n- b\n",
        "a\n",
        "a: b\n---\nc: d\n",
        "\ta: b\n",
        "a: [b]\n",
        "a: >-\n  x\n",
        "a: !!str b\n",
        "a: b: c\n",
    ],
)
def test_anything_else_is_left_to_the_real_parser(text: str) -> None:
    assert parse(text) is None
