"""``cilium connectivity``."""

from lab_helpers.tools.goflags import Command, FlagSet, Invocation


def build() -> list[Command]:
    """The command and its parts."""
    command = Command(
        "connectivity", short="Connectivity troubleshooting", example="cilium connectivity test --test no-policies"
    )
    test = Command(
        "test",
        short="Validate connectivity in cluster",
        long="Validate connectivity: clients and servers are deployed, connections tried, with policies too.",
        example="""# Run all tests
cilium connectivity test

# Only some; all but some
cilium connectivity test --test no-policies --test client-egress
cilium connectivity test --test '!to-entities-world'
cilium connectivity test --test '/pod-to-world'

# Flows must show what happened, in two namespaces at once, with a report for CI
cilium connectivity test --flow-validation strict --test-concurrency 2 --junit-file report.xml

# Remove what it deployed
cilium connectivity test --cleanup""",
        run=_test,
    )
    _flags(test.flags)
    perf = Command("perf", short="(not bundled) measure performance", run=_perf, hidden=True)
    command.add(test, perf)
    return [command]


def _flags(flags: FlagSet) -> None:
    flags.bool("all-flows", False, "Print all flows during flow validation; here: as --print-flows", hidden=True)
    flags.bool("cleanup", False, "Remove the test namespaces and do nothing else")
    flags.duration("connect-timeout", 2_000_000_000, "Maximum time to allow initiation of the connection to take")
    flags.string("curl-image", "quay.io/cilium/alpine-curl:v1.10.0", "Image path to use for curl")
    flags.bool("debug", False, "Show debug messages", "d")
    flags.strings("expected-drop-reasons", [], "Drop reasons that are no failure, beside the usual ones")
    flags.string("external-cidr", "1.0.0.0/8", "IPv4 CIDR to use as external target in connectivity tests")
    flags.string("external-ip", "1.1.1.1", "IPv4 to use as external target in connectivity tests")
    flags.string("external-other-ip", "1.0.0.1", "Other IPv4 to use as external target in connectivity tests")
    flags.string("external-target", "one.one.one.one.", "Domain name to use as external target in connectivity tests")
    flags.string("flow-validation", "warning", "Enable Hubble flow validation { disabled | warning | strict }")
    flags.bool("force-deploy", False, "Force re-deploying test artifacts")
    flags.bool("hubble", True, "Automatically use Hubble for flow validation & troubleshooting")
    flags.string("hubble-server", "localhost:4245", "Address of Hubble Relay; without it HUBBLE_SERVER, or a forward")
    flags.string("json-mock-image", "quay.io/cilium/json-mock:v1.3.9", "Image path to use for json mock")
    flags.string("junit-file", "", "Generate junit report and write to file")
    flags.strings("junit-property", [], "Add key=value properties to the generated junit file")
    flags.bool("list", False, "List the names of all tests and do nothing else")
    flags.string("multi-cluster", "", "Refused: the bundled test knows one cluster", hidden=True)
    flags.bool("no-color", False, "Accepted; there are none", hidden=True)
    flags.bool("print-flows", False, "Print flow logs for each test")
    flags.duration("request-timeout", 10_000_000_000, "Maximum time to allow a request to take")
    flags.number("retry", 3, "Number of retries on connection failure", kind="uint")
    flags.bool("single-node", False, "Limit to tests able to run on a single node")
    flags.strings(
        "test",
        [],
        "Run tests that match one of the given regular expressions, skip tests by starting the expression with '!', "
        "target Scenarios with e.g. '/pod-to-host'",
    )
    flags.number("test-concurrency", 1, "Count of namespaces to perform the connectivity tests in parallel")
    flags.string(
        "test-namespace",
        "cilium-test",
        "Namespace to perform the connectivity in (always suffixed with a sequence number)",
    )
    flags.duration("timeout", 0, "Maximum time to allow the connectivity test suite to take; 0: as long as needed")
    flags.bool("timestamp", False, "Show timestamp in messages", "t")
    flags.bool("verbose", False, "Show which scenarios run", "v")


def _perf(_call: Invocation) -> int:
    from lab_helpers.tools.cilium.errors import not_bundled

    raise not_bundled("cilium connectivity perf", "measure on a real cluster")


def _test(call: Invocation) -> int:
    from lab_helpers.tools.cilium.connectivity.running import run

    return run(call)
