#!/usr/bin/env bash
# Runs once when the container is made (.devcontainer.json, where Codespaces looks): packages, then the real tools for kind.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python3 environment/bootstrap.py run doctor || true # it says what is wrong; the twin needs none of it
python3 environment/bootstrap.py run tools install || echo "the twin works without them; for kind: cilium-labs tools install"
