"""What some hundred snippets print in the simulated shells is what they print in the real ones.

``shell_snippets.json`` was recorded from real shells; with them on the machine, the ``slow`` test compares again.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

SNIPPETS: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("shell_snippets.json").read_text(encoding="utf-8")
)["snippets"]
SIZE = 30
PARTS = [(shell, start) for shell in ("bash", "sh") for start in range(0, len(SNIPPETS), SIZE)]


@pytest.mark.parametrize(("shell", "start"), PARTS)
async def test_snippets(lab, client, shell, start):
    different = []
    for number, row in enumerate(SNIPPETS[start : start + SIZE], start):
        if row["shell"] != shell:
            continue
        where = f"/tmp/{number}"
        await lab.run(client, "mkdir", where)
        result = await lab.run(client, "sh", "-c", f'cd {where}; exec {shell} -c "$0"', row["script"])
        if (result.out, result.code) != (row["out"], row["code"]):
            different.append((row, result))
    assert not different


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in SNIPPETS if row["shell"] == "bash"], ids=lambda row: row["script"][:40])
def test_the_real_bash_says_the_same(row, tmp_path):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash on this machine")
    version = subprocess.run([bash, "-c", "echo $BASH_VERSION"], capture_output=True, text=True, check=True).stdout
    if not version.startswith("5.2."):
        pytest.skip(f"the snippets were recorded from bash 5.2, here is {version}")
    env = {"HOME": "/root", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-c", row["script"]],
        executable=bash,
        cwd=tmp_path,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    code = done.returncode if done.returncode >= 0 else 128 - done.returncode
    assert (done.stdout.decode(), code) == (row["out"], row["code"])


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("a=(1 2)", "no arrays"),
        ("a[0]=1", "no arrays"),
        ("echo ${a[0]}", "no arrays"),
        ("declare -A m", "no arrays"),
        ("read -a w <<< x", "no arrays"),
        ("mapfile l", "no arrays"),
        ("cat <(echo a)", "process substitution is not played"),
        ("select x in a; do :; done", "select is not played"),
        ("alias l=ls", "no aliases"),
        ("trap : DEBUG", "DEBUG: is not played"),
        ("echo ${x@E}", "plays @Q, @U, @L and @u"),
    ],
)
async def test_what_is_not_played_says_so(lab, client, script, message):
    result = await lab.sh(client, script, shell="bash")
    assert result.code
    assert message in result.err


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ("-v", "M-CM-)^[a\tb\n"),
        ("-A", "M-CM-)^[a^Ib$\n"),
        ("-E", "\u00e9\x1ba\tb$\n"),
        ("-b", "     1\t\u00e9\x1ba\tb\n"),
    ],
)
async def test_cat_shows_what_is_not_seen(lab, client, arguments, shown):
    result = await lab.sh(client, f"printf '\\303\\251\\033a\\tb\\n' | cat {arguments}")
    assert result.out == shown


@pytest.mark.parametrize(("action", "out"), [("''", "end\n0\n"), ("'echo bye; exit 3'", "bye\n3\n"), ("-", "143\n")])
async def test_a_signal_from_outside(lab, client, action, out):
    script = f'sh -c "trap {action} TERM; sleep 5; echo end" & sleep 1; kill $!; wait $!; echo $?'
    assert (await lab.sh(client, script)).out == out
