"""The real kubectl's verbs on the embedded cluster, and a table of them in the tests' report.

The table is ``build/reports/kubectl-verbs.md`` of the checkout; it is written anew in every run with a real kubectl.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
TABLE = HERE.parents[2] / "build" / "reports" / "kubectl-verbs.md"
PATIENCE = 300.0
INSTALL = ("install", "cilium", "cilium/cilium", "-n", "kube-system", "--set", "kubeProxyReplacement=true")
SERVER = ("--set", "k8sServiceHost=cilium-labs-control-plane", "--set", "k8sServicePort=6443", "--wait")


def _cases() -> Any:
    spec = importlib.util.spec_from_file_location("kubectl_verb_cases", HERE / "verb_cases.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CASES = _cases()


class Player:
    """Plays cases in a folder of its own and remembers what came of them."""

    def __init__(self, program: str, folder: Path, config: Path) -> None:
        self.program, self.folder = program, folder
        self.config = folder / "config"
        self.config.write_bytes(config.read_bytes())
        for name, text in CASES.FILES.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def play(self, case: Any) -> tuple[int, str]:
        """Exit status (0 for a command that was ended) and what was printed."""
        environ = {**os.environ, "KUBECONFIG": str(self.config), "HOME": str(self.folder), "TZ": "UTC"}
        if case.editor:
            environ["KUBE_EDITOR"] = case.editor
        words = [self.program, *case.words]
        if case.until:
            return self._until(words, environ, case)
        done = subprocess.run(
            words,
            input=case.stdin or "",
            capture_output=True,
            text=True,
            env=environ,
            cwd=self.folder,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def _until(self, words: list[str], environ: dict[str, str], case: Any) -> tuple[int, str]:
        shown = self.folder / "shown.txt"
        with (
            shown.open("wb") as out,
            subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, env=environ, cwd=self.folder
            ) as process,
        ):
            assert process.stdin is not None
            if case.stdin:
                process.stdin.write(case.stdin.encode())
                process.stdin.flush()
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline and process.poll() is None:
                if re.search(case.until, shown.read_text(encoding="utf-8", errors="replace")):
                    break
                time.sleep(0.02)
            code = process.poll()
            process.kill()
        text = shown.read_text(encoding="utf-8", errors="replace")
        return (code or 0) if re.search(case.until, text) else (code or 1), text


def _row(case: Any, found: str) -> str:
    line = " ".join(f"'{word}'" if " " in word else word for word in case.words).replace("|", "\\|")
    if found:
        outcome = f"**{found}**"
    elif case.differs:
        outcome = f"differs: {case.differs}"
    elif case.code:
        outcome = f"as documented (exit {case.code})"
    else:
        outcome = "as documented"
    return f"| {case.verb} | `kubectl {line}` | {outcome} |"


@pytest.mark.skipif(os.name == "nt", reason="editors and diff are POSIX programs here")
@pytest.mark.timeout(900)
def test_verbs(start_twin: Callable[[], Path], tmp_path: Path, real_program: str) -> None:
    config = start_twin()
    environ = {**os.environ, "KUBECONFIG": str(config)}
    helm = [sys.executable, "-m", "lab_helpers.tools.helm", *INSTALL, *SERVER]
    subprocess.run(helm, env=environ, check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)
    _join_with_ours(environ)
    player = Player(real_program, tmp_path, config)
    rows, wrong = [], []
    for case in CASES.CASES:
        code, text = player.play(case)
        right = code == case.code and re.search(case.expect, text)
        if case.verb == "cp":
            right = right and _copies_with_ours(player, case)
        if not right:
            wrong.append(f"{' '.join(case.words)}: exit {code}, wanted {case.code} and {case.expect!r}\n{text[:600]}")
        rows.append(_row(case, "" if right else f"exit {code}"))
    version = subprocess.run([real_program, "version", "--client"], capture_output=True, text=True, check=True).stdout
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    head = f"# kubectl's verbs on the embedded cluster\n\n{version.splitlines()[0]}, {len(rows)} commands\n\n"
    table = "| verb | command | outcome |\n|---|---|---|\n" + "\n".join(rows) + "\n"
    TABLE.write_text(head + table, encoding="utf-8")
    assert not wrong, "\n\n".join(wrong)


def _copies_with_ours(player: Player, case: Any) -> bool:
    """The bundled kubectl copies the same way."""
    environ = {**os.environ, "KUBECONFIG": str(player.config)}
    words = [sys.executable, "-m", "lab_helpers.tools.kubectl", *case.words]
    back = player.folder / "back.txt"
    back.unlink(missing_ok=True)
    done = subprocess.run(words, env=environ, cwd=player.folder, check=False, timeout=PATIENCE, capture_output=True)
    wanted = CASES.FILES["words.txt"] if case.words[2] == back.name else ""
    return done.returncode == 0 and (back.read_text(encoding="utf-8") if back.exists() else "") == wanted


def _join_with_ours(environ: dict[str, str]) -> None:
    """The bundled kubectl gives a pod its input and takes its output and exit status."""
    start = ["run", "ours", "--rm", "-i", "--restart=Never", "--image=nicolaka/netshoot:v0.14", "--", "sh"]
    done = subprocess.run(
        [sys.executable, "-m", "lab_helpers.tools.kubectl", *start],
        input="echo $((6 * 7)); exit 3\n",
        capture_output=True,
        text=True,
        env=environ,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout == '42\npod "ours" deleted\n'
    assert done.stderr.endswith("pod default/ours terminated (Error)\n")
    add = ["debug", "-n", "kube-system", "deploy/coredns", "-i", "--image=nicolaka/netshoot:v0.14", "--profile=general"]
    done = subprocess.run(
        [sys.executable, "-m", "lab_helpers.tools.kubectl", *add, "--", "sh"],
        input="echo $((6 * 7)); exit\n",
        capture_output=True,
        text=True,
        env=environ,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
    assert "Defaulting debug container name to debugger-" in done.stderr


def test_every_verb_has_its_case(real_program: str) -> None:
    text = subprocess.run([real_program, "--help"], capture_output=True, text=True, check=True).stdout
    verbs = set(re.findall(r"(?m)^  ([a-z-]+)  +[A-Z]", text))
    assert verbs >= {"get", "debug", "certificate"}
    assert verbs - {item.verb for item in CASES.CASES} == set()


@pytest.fixture(scope="module")
def real_program() -> str:
    """The real kubectl."""
    found = shutil.which("kubectl", path=os.environ.get("CILIUM_LABS_REAL_PATH", os.environ.get("PATH", "")))
    if not found or b"lab_helpers" in Path(found).read_bytes()[:2000]:
        pytest.skip("no real kubectl on PATH to try the verbs with")
    return found
