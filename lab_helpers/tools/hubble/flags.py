"""Flags shared by several commands: global ones, those about the server, about formatting, and the rest."""

from lab_helpers.tools.goflags import FlagSet
from lab_helpers.tools.hubble.selectorflags import TIME_TABLE

_SECOND = 1_000_000_000


def global_flags() -> FlagSet:
    """Flags of every command."""
    flags = FlagSet("Global")
    flags.string("config", "", "Configuration file (default: hubble/config.yaml in $XDG_CONFIG_HOME or ~/.config)")
    flags.bool("debug", False, "Print debug messages", shorthand="D")
    return flags


def server_flags() -> FlagSet:
    """Flags about which server to talk to, and how."""
    flags = FlagSet("Server")
    flags.string("basic-auth-username", "", "User name for basic authentication")
    flags.string("basic-auth-password", "", "Password for basic authentication")
    flags.string("kube-context", "", "Context of the kubeconfig; only with --port-forward")
    flags.string("kube-namespace", "kube-system", "Namespace of Cilium; only with --port-forward")
    flags.string("kubeconfig", "", "Path of the kubeconfig; only with --port-forward")
    flags.bool("port-forward", False, "Reach Hubble Relay through the Kubernetes API server", shorthand="P")
    flags.number("port-forward-port", 4245, "Local port of --port-forward; 0 takes any that is free", kind="uint16")
    flags.duration("request-timeout", 12 * _SECOND, "Time limit of requests that are no streams")
    flags.string("server", "localhost:4245", "Address of the Hubble server; not used with --input-file or -P")
    flags.duration("timeout", 5 * _SECOND, "Time limit of connecting")
    flags.bool("tls", False, "Use TLS; also implied by a server address that begins with 'tls://'")
    flags.bool("tls-allow-insecure", False, "Do not verify the server's certificate: anyone could be in between")
    flags.strings("tls-ca-cert-files", [], "Files with certificates (PEM) of authorities to trust")
    flags.string("tls-client-cert-file", "", "File with the client's certificate (PEM)")
    flags.string("tls-client-key-file", "", "File with the client's private key (PEM)")
    flags.string(
        "tls-server-name", "", "Name the server's certificate must have, such as instance.hubble-relay.cilium.io"
    )
    return flags


def formatting_flags() -> FlagSet:
    """Flags of all kinds of events about how they are printed."""
    flags = FlagSet("Formatting")
    flags.string(
        "output",
        "compact",
        "Form of the output, one of:\n"
        "  compact:  One line each\n"
        "  dict:     KEY: VALUE, one block each\n"
        "  jsonpb:   Responses in protobuf's JSON mapping\n"
        "  json:     The same\n"
        "  table:    Aligned columns\n",
        shorthand="o",
    )
    flags.bool("print-node-name", False, "Print the name of the node that saw the event")
    flags.bool("print-policy-names", False, "Print the policies that decided verdicts")
    flags.string("time-format", "StampMilli", f"How to print times, except in JSON; one of:{TIME_TABLE}\n")
    return flags


def other_flags() -> FlagSet:
    """The rest."""
    flags = FlagSet("Other")
    flags.string("input-file", "", "Read flows (JSON lines) from this file, '-' is stdin, instead of asking a server")
    flags.bool("print-raw-filters", False, "Print the filters as YAML and leave; fit for --config or --allowlist")
    flags.bool("silent-errors", False, "Do not print changes of nodes' states", shorthand="s")
    flags.bool("use-default-field-masks", True, "Ask only for the fields that compact, dict and table show")
    flags.strings("field-mask", [], "Ask only for these fields; only with JSON output")
    return flags
