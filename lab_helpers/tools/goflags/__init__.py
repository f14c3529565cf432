"""Command lines as Go programs parse them: pflag's flags and cobra's tree of commands, without argparse.

kubectl, helm, cilium and hubble share these conventions: interspersed flags, ``--flag=value``, combined short flags,
values that default when omitted, error texts, help pages, suggestions. The bundled tools build their trees here::

    root = Command("tool", short="What it is")
    root.persistent.bool("debug", False, "Print more", shorthand="D")
    root.add(Command("get NAME", short="Get one", run=get, args=exact_args(1)))
    sys.exit(root.execute(argv))

Errors (all subclasses of `FlagError`, which is this package's root)::

    FlagError
    ├── HelpRequested        --help or -h was given
    ├── UsageError           the command line is wrong
    └── ExitError            a command failed; carries the exit status

Behaviour follows github.com/spf13/pflag and github.com/spf13/cobra; the code is ours.
"""

from lab_helpers.tools.goflags.commands import Command, Invocation, exact_args, no_args
from lab_helpers.tools.goflags.errors import ExitError, FlagError, HelpRequested, UsageError
from lab_helpers.tools.goflags.flagsets import Flag, FlagSet
from lab_helpers.tools.goflags.quoting import go_quote
from lab_helpers.tools.goflags.values import Value, duration_text, parse_bool, parse_duration

__all__ = [
    "Command",
    "ExitError",
    "Flag",
    "FlagError",
    "FlagSet",
    "HelpRequested",
    "Invocation",
    "UsageError",
    "Value",
    "duration_text",
    "exact_args",
    "go_quote",
    "no_args",
    "parse_bool",
    "parse_duration",
]
