#!/usr/bin/env bash
# Runs at each start: limits that the nodes of a kind cluster need, and the twin, which is up before the first notebook is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
sudo -n sysctl -q -w fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512 || echo "kind may need higher inotify limits"
python3 environment/bootstrap.py run status || python3 environment/bootstrap.py run up
