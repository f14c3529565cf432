"""``hubble config``: view, get, set, reset."""

from pathlib import Path
from typing import Any

from lab_helpers.tools.goflags import Command, ExitError, Flag, Invocation, duration_text, parse_bool, parse_duration
from lab_helpers.tools.goflags.values import StringSliceValue
from lab_helpers.tools.hubble import yamltext
from lab_helpers.tools.hubble.settings import KEYS, Settings, default_config_path, read_config


def config_command() -> Command:
    """The command and its sub-commands."""
    command = Command(
        "config",
        short="Show and change the configuration",
        long="""\
The configuration file has defaults for flags that are not given. A flag 'tls-ca-cert-files' is
the key of the same name in the file and HUBBLE_TLS_CA_CERT_FILES in the environment; the flag
goes before the environment, the environment before the file.""",
        run=_help,
    )
    command.add(
        Command("get [KEY]", short="Show one setting, or all", run=_get),
        Command("reset [KEY]", short="Set one key, or all, to the default", run=_reset),
        Command("set KEY [VALUE]", short="Set a key; without a value, to its default", run=_set),
        Command("view", short="Show all settings", run=_view),
    )
    return command


def _help(invocation: Invocation) -> int:
    from lab_helpers.tools.goflags.helping import help_page

    invocation.stdout.write(help_page(invocation.command))
    return 0


def _shown(settings: Settings, key: str) -> Any:
    """A setting as `view` shows it: sizes and durations as text, lists as lists."""
    flag = settings.flags.get(key)
    if flag is None:
        raise ExitError(f"unknown key: {key}")
    if key == "config":
        return settings.config_path
    value = settings.raw(key)
    if value is flag.value.value and not isinstance(value, (bool, list)):
        return flag.value.text()
    return value


def _view(invocation: Invocation) -> int:
    settings = Settings(invocation.flags)
    invocation.stdout.write(yamltext.document({key: _shown(settings, key) for key in KEYS}))
    return 0


def _get(invocation: Invocation) -> int:
    if not invocation.args:
        return _view(invocation)
    if len(invocation.args) > 1:
        raise ExitError(f"invalid arguments: get requires exactly 0 or 1 argument: got '{' '.join(invocation.args)}'")
    key = invocation.args[0]
    if key not in KEYS:
        raise ExitError(f"unknown key: {key}")
    invocation.stdout.write(yamltext.document(_shown(Settings(invocation.flags), key)))
    return 0


def _set(invocation: Invocation) -> int:
    args = invocation.args
    if not 1 <= len(args) <= 2:
        raise ExitError(f"invalid arguments: set requires exactly 1 or 2 argument(s): got '{' '.join(args)}'")
    _store(Settings(invocation.flags), args[0], args[1] if len(args) == 2 else None)
    return 0


def _reset(invocation: Invocation) -> int:
    args = invocation.args
    if len(args) > 1:
        raise ExitError(f"invalid arguments: reset requires exactly 0 or 1 argument: got '{' '.join(args)}'")
    settings = Settings(invocation.flags)
    for key in args or KEYS:
        _store(settings, key, None)
    return 0


def _store(settings: Settings, key: str, text: str | None) -> None:
    flag = settings.flags.get(key) if key in KEYS else None
    if flag is None:
        raise ExitError(f"unknown key: {key}")
    value = _converted(flag, text if text is not None else _default(settings, flag))
    path = Path(settings.config_path)
    content = {name: item for name, item in read_config(settings.config_path).items() if name in KEYS}
    content[key] = value
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yamltext.document(dict(sorted(content.items()))), encoding="utf-8")
    except OSError as error:
        raise ExitError(f"failed to write {path}: {error.strerror}") from None


def _default(settings: Settings, flag: Flag) -> str:
    if flag.name == "config":
        return default_config_path(settings.environ)
    return "" if flag.value.type == "stringSlice" else flag.default


def _converted(flag: Flag, text: str) -> Any:
    kind = flag.value.type
    try:
        if kind == "bool":
            return parse_bool(text)
        if kind == "duration":
            return duration_text(parse_duration(text))
    except ValueError as error:
        raise ExitError(f"cannot assign value={text} for key={flag.name}, expected type={kind}: {error}") from None
    if kind == "stringSlice":
        words = StringSliceValue([])
        words.set(text)
        return words.value
    if kind != "string":
        raise ExitError(f"unhandeld type {kind}, please open an issue")
    return text
