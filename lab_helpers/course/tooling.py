"""Running kubectl, helm and shell commands with the lab's environment."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lab_helpers.course.errors import CourseError

__all__ = ["Ran", "Tools"]

_TIMEOUT: Final = 600.0


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended; ``output`` has standard output and standard error in the order they came."""

    exit_code: int
    output: str

    def __bool__(self) -> bool:
        return self.exit_code == 0


@dataclass(frozen=True, slots=True)
class Tools:
    """``environment`` is what the cluster says a shell needs (KUBECONFIG, PATH …)."""

    environment: Mapping[str, str]

    def run(self, command: Sequence[str], *, stdin: str = "") -> Ran:
        """Run a program. Raises CourseError when it is not there or does not end."""
        environment = {**os.environ, **self.environment}
        program = shutil.which(command[0], path=environment.get("PATH"))
        if program is None:
            raise CourseError(
                f"{command[0]} is not on PATH", where=environment.get("PATH", ""), try_="cilium-labs doctor"
            )
        try:
            done = subprocess.run(
                [program, *command[1:]],
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                encoding="utf-8",
                errors="replace",
                timeout=_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CourseError(f"`{shlex.join(command)}` did not end within {_TIMEOUT:.0f} s") from error
        return Ran(done.returncode, done.stdout)

    def apply(self, manifest: str) -> Ran:
        """``kubectl apply`` with the server's strict validation; the output is kubectl's own."""
        return self.run(["kubectl", "apply", "--validate=strict", "-f", "-"], stdin=manifest)

    def shell(self, script: str) -> Ran:
        """Run lines as a shell would; the first failing one ends it.

        Where there is no POSIX shell (Windows), lines are joined at backslashes and split into words: enough for the
        commands of the course, without pipes.
        """
        environment = {**os.environ, **self.environment}
        shell = shutil.which("bash", path=environment.get("PATH")) or shutil.which("sh", path=environment.get("PATH"))
        if shell and os.name != "nt":
            return self.run([shell, "-e"], stdin=script)
        output = ""
        for line in script.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                done = self.run(words)
                output += done.output
                if not done:
                    return Ran(done.exit_code, output)
        return Ran(0, output)
