#!/usr/bin/env python3
"""From a fresh clone to running labs, with nothing but Python 3.11 or newer.

    python3 environment/bootstrap.py lab      virtual environment, packages, cluster, JupyterLab
    python3 environment/bootstrap.py test     the same with what tests need, then all checks
    python3 environment/bootstrap.py run ...  any cilium-labs command (up, down, status, ...)

The virtual environment is .venv beside this repository's README (CILIUM_LABS_VENV chooses another place). It is made
once and brought up to date when pyproject.toml changes. Only the standard library is used here, and no syntax newer
than Python 3.6, so that an old Python gets a message instead of a traceback.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.abspath(os.environ.get("CILIUM_LABS_VENV") or os.path.join(ROOT, ".venv"))
OLDEST = (3, 11)
NEWEST_TRIED = 14
LAYERS = """
import sys
from importlinter.cli import lint_imports_command
sys.argv = ["lint-imports", "--no-cache"]
lint_imports_command()
"""
CHECKS = (
    ("lint", ["-m", "ruff", "check", "."]),
    ("format", ["-m", "ruff", "format", "--check", "."]),
    ("types", ["-m", "mypy"]),
    (
        "layers",
        ["-c", LAYERS],
    ),
    ("tests", ["-m", "pytest", "-n", "2", "--dist", "worksteal"]),
)
ALONE = ["-m", "pytest", "--last-failed", "--last-failed-no-failures", "none"]
SOME_TESTS_FAILED = 1  # pytest's exit code
FEW = 3


def main(arguments):
    """Returns an exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if arguments else 2
    command, rest = arguments[0], arguments[1:]
    if command not in ("lab", "test", "run"):
        return fail("unknown command: %s" % command, "lab, test or run; --help explains them")
    interpreter = find_interpreter()
    if interpreter is None:
        have = "%d.%d" % sys.version_info[:2]
        return fail(
            "Python %s is too old and no newer one is on PATH" % have,
            "install Python 3.11 or newer (https://www.python.org/downloads/), then run the same command again",
        )
    try:
        python = prepare(interpreter, "test" if command == "test" else "")
    except subprocess.CalledProcessError as error:
        return fail(
            "this step failed: %s" % " ".join(map(str, error.cmd)),
            "read its messages above; remove %s to start over" % VENV,
        )
    except OSError as error:
        return fail(
            "cannot write to %s: %s" % (VENV, error.strerror or error),
            "free space, or set CILIUM_LABS_VENV to another folder",
        )
    if command == "test":
        return test(python, rest)
    target = [python, "-m", "lab_helpers.cli"] + (["lab"] if command == "lab" else []) + rest
    return call(target)


def find_interpreter():
    """A command for a Python that is new enough: this one if it is."""
    if sys.version_info[:2] >= OLDEST:
        return [sys.executable]
    for minor in range(NEWEST_TRIED, OLDEST[1] - 1, -1):
        candidates = [["python3.%d" % minor]] if os.name != "nt" else [["py", "-3.%d" % minor]]
        for candidate in candidates:
            if shutil.which(candidate[0]) and works(candidate):
                return candidate
    return None


def works(candidate):
    """Does this command start a Python that is new enough? (Version managers leave launchers that do not.)"""
    check = "import sys, venv; sys.exit(sys.version_info[:2] < %r)" % (OLDEST,)
    return subprocess.call([*candidate, "-c", check], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0


def prepare(interpreter, extra):
    """Make the virtual environment, or bring it up to date; returns its Python."""
    python = os.path.join(VENV, "Scripts", "python.exe") if os.name == "nt" else os.path.join(VENV, "bin", "python")
    stamp = os.path.join(VENV, "cilium-labs-%s.stamp" % (extra or "lab"))
    wanted = fingerprint(interpreter)
    if os.path.exists(python) and read(stamp) == wanted:
        return python
    started = time.time()
    if not os.path.exists(python):
        say("making the virtual environment %s" % VENV)
        step([*interpreter, "-m", "venv", VENV])
    elif not has_pip(python):  # an earlier run was interrupted
        step([python, "-m", "ensurepip"], stdout=subprocess.DEVNULL)
    say("installing packages (once; one to three minutes)")
    what = ROOT + ("[%s]" % extra if extra else "")
    quiet = [] if os.environ.get("CILIUM_LABS_VERBOSE") else ["--quiet"]
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", *quiet]
    step([*pip, "--editable", what])
    quieten_jupyterlab()
    with open(stamp, "w") as stream:
        stream.write(wanted)
    say("ready after %d s" % (time.time() - started))
    return python


def step(command, **options):
    """Run it to its end. Ctrl-C is for us alone: its processes are ended without tracebacks of theirs.

    Raises subprocess.CalledProcessError.
    """
    if os.name == "nt":
        options["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP
    else:
        options["start_new_session"] = True
    process = subprocess.Popen(command, **options)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        if os.name == "nt":
            process.terminate()
        else:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
    if code != 0:
        raise subprocess.CalledProcessError(code, command)


def has_pip(python):
    """Can packages be installed into this virtual environment?"""
    return (
        subprocess.call([python, "-m", "pip", "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    )


def quieten_jupyterlab():
    """No questions about news or updates over the first lab; a learner's own settings win over these defaults."""
    folder = os.path.join(VENV, "share", "jupyter", "lab", "settings")
    if not os.path.isdir(folder):
        os.makedirs(folder)
    defaults = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
    with open(os.path.join(folder, "overrides.json"), "w") as stream:
        json.dump(defaults, stream)


def fingerprint(interpreter):
    """Changes when the packages may have to change."""
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as stream:
        return hashlib.sha256(stream.read() + " ".join(interpreter).encode()).hexdigest()


def test(python, arguments):
    """All checks in turn; arguments go to pytest alone."""
    checks = CHECKS if not arguments else (("tests", ["-m", "pytest", *arguments]),)
    failed = []
    for name, command in checks:
        started = time.time()
        say("%s ..." % name)
        code = call([python, *command])
        if code == SOME_TESTS_FAILED and name == "tests" and not arguments:
            code = alone(python)
        say("%s: %s (%d s)" % (name, "ok" if code == 0 else "FAILED", time.time() - started))
        if code in (130, -2):
            return 130
        if code != 0:
            failed.append(name)
    if failed:
        return fail(
            "failed: %s" % ", ".join(failed),
            "the messages are above; one test alone: make test ARGS='tests/policy -k name'",
        )
    return 0


def alone(python):
    """Run the few tests that failed once more, by themselves; returns an exit code.

    A test that passes then fails only beside others, which is a fault as well, of the test or of what it tests: it is
    named, and does not hide what the rest of the run says.
    """
    failed = sorted(json.loads(read(os.path.join(ROOT, ".pytest_cache", "v", "cache", "lastfailed")) or "{}"))
    if not 0 < len(failed) <= FEW:
        return SOME_TESTS_FAILED
    say("tests: %d failed; once more, alone ..." % len(failed))
    code = call([python, *ALONE])
    if code == 0:
        for name in failed:
            say("tests: UNSTEADY, failed beside others and passed alone: %s" % name)
    return code


def call(command):
    """Run it in the repository; Ctrl-C is left to the program, which ends by itself."""
    process = subprocess.Popen(command, cwd=ROOT)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def read(path):
    """The text of a file, or None."""
    try:
        with open(path) as stream:
            return stream.read()
    except OSError:
        return None


def say(text):
    """Progress, on stderr so that output pipes."""
    sys.stderr.write("cilium-labs: %s\n" % text)
    sys.stderr.flush()


def fail(what, cure):
    """One clear message; returns the exit code 1."""
    sys.stderr.write("cilium-labs: error: %s\n  try: %s\n" % (what, cure))
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        say("interrupted; the same command goes on from here")
        sys.exit(130)
