"""``cilium-dbg config``: the agent's settings, and those that change while it runs (cilium-dbg/cmd/config.go,
config_get.go, daemon/restapi/config.go).

What changes here lasts until the agent starts anew. The read-only part has the keys of ConfigMap ``cilium-config``, as
the agent read them; the real program names its fields instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from lab_helpers.policy.configs import EnforcementMode
from lab_helpers.twin.agent.dbg.sessions import OUTPUT, Arguments, Command, CommandError, Session
from lab_helpers.twin.agent.nodeagents import NodeAgent
from lab_helpers.twin.datapath.options import DESCRIPTIONS, OptionError, option_names

__all__ = ["COMMANDS", "listed_options", "parsed_options", "shown_options"]

_RING_PAGES: Final = 64


def listed_options(names: Iterable[str]) -> str:
    """What ``--list-options`` prints."""
    return "\n".join(f"{name:<24} {DESCRIPTIONS[name]}" for name in sorted(names))


def shown_options(values: Mapping[str, str]) -> str:
    """Names and values, one per line."""
    return "\n".join(f"{name:<34}: {values[name]}" for name in sorted(values))


def parsed_options(settings: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """``Name=value`` words, by the names as they are written here. Raises OptionError."""
    found = {}
    for setting in settings:
        word, equals, value = setting.removeprefix("!").partition("=")
        if not equals:
            raise OptionError("invalid option format")
        if setting.startswith("!"):
            raise OptionError("invalid boolean format")
        name = next((known for known in names if known.lower() == word.lower()), None)
        if name is None:
            raise OptionError(f'unknown option "{word}"')
        found[name] = value
    return found


def _options(agent: NodeAgent) -> dict[str, str]:
    settings = agent.settings
    names = option_names(settings.policy.version, endpoint=False)
    unset = () if settings.options.debug_policy else ("DebugPolicy",)
    return {name: settings.options.shown(name) for name in names if name not in unset}


async def _config(session: Session, arguments: Arguments) -> int:
    agent = session.agent
    names = option_names(agent.settings.policy.version, endpoint=False)
    if "list" in arguments.switches:
        await session.out(listed_options(name for name in names if name != "PolicyTracing"))
        return 0
    session.need_agent()
    pages = arguments.value("pages", "0")
    if not pages.isdigit():
        raise CommandError(
            f'Error: invalid argument "{pages}" for "-n, --num-pages" flag: strconv.ParseInt: parsing "{pages}": '
            "invalid syntax"
        )
    if arguments.words or int(pages):
        return await _change(session, arguments.words, int(pages), names)
    settings = agent.settings
    readonly, everything = "readonly" in arguments.switches, "all" in arguments.switches
    output = arguments.value("output")
    if output:
        realized = {"options": _options(agent), "policy-enforcement": settings.policy.policy_mode.value}
        raw = dict(settings.raw)
        await session.data(raw if readonly else {**raw, **realized} if everything else realized["options"], output)
        return 0
    if readonly or everything:
        await session.out("#### Read-only configurations ####")
        await session.out(shown_options(settings.raw))
    if not readonly:
        lines = [
            "##### Read-write configurations #####",
            shown_options(_options(agent)),
            f"{'MonitorNumPages':<34}: {_RING_PAGES}",
            f"{'PolicyEnforcement':<34}: {settings.policy.policy_mode.value}",
        ]
        await session.out("\n".join(lines))
    return 0


async def _change(session: Session, words: Sequence[str], pages: int, names: Sequence[str]) -> int:
    mode = ""
    settings = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise CommandError("Error: Improper configuration format provided")
        if name == "PolicyEnforcement":
            mode = value
        else:
            settings.append(word)
    try:
        values = parsed_options(settings, names)
        session.agent.settings.options.changed(values)
    except OptionError as error:
        await session.out(str(error))
        return 1
    if pages and pages != _RING_PAGES:
        raise _refused("invalid configuration option: unknown option MonitorNumPages")
    if mode and mode not in set(EnforcementMode):
        raise _refused(f"invalid option for PolicyEnforcement {mode}")
    session.agent.change_options(values, EnforcementMode(mode) if mode else None)
    return 0


def _refused(why: str) -> CommandError:
    answer = f"[PATCH /config][400] patchConfigBadRequest {json.dumps(why)}"
    return CommandError(f"Error: Unable to change agent configuration: {answer}\n")


async def _get(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    agent = session.agent
    known = {name.replace("-", "").lower(): value for name, value in agent.settings.raw.items()}
    known |= {name.lower(): value for name, value in _options(agent).items()}
    known["policyenforcement"] = agent.settings.policy.policy_mode.value
    name = arguments.words[0].replace("-", "").lower()
    if name not in known:
        raise CommandError("Error: Configuration does not exist")
    await session.out(known[name])
    return 0


COMMANDS = (
    Command(
        ("config",),
        "Cilium configuration options",
        _config,
        {**OUTPUT, "-n": "pages", "--num-pages": "pages"},
        {"-a": "all", "--all": "all", "-r": "readonly", "--read-only": "readonly", "--list-options": "list"},
        (0, -1),
        "[<option>=(enable|disable) ...]",
    ),
    Command(
        ("config", "get"),
        "Retrieve cilium configuration",
        _get,
        {"-o": "ignored", "--output": "ignored"},  # the real program takes the flag and prints the same
        arguments=(1, 1),
        usage="<config name>",
    ),
)
