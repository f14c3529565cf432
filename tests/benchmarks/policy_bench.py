"""How fast the policy engine is, against the recorded times of Cilium's own.

    python tests/benchmarks/policy_bench.py [--rounds 3] [--plot growth.svg] [SIZE …]

Each size runs in a process of its own, so that peak memory is its own. Medians over the rounds; one core. Times of
Cilium's engine come from
the same recordings (2 shared cores, one goroutine): orders of magnitude. ``resolve all``: the policy of every
identity, in
both directions, with the merged peers of every group of rules; Cilium's figure enumerates map entries.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab_helpers.policy.cases import case_repository
from lab_helpers.policy.identities import Endpoint, Identity
from lab_helpers.policy.labels import parse_labels
from lab_helpers.policy.parsing import parse
from lab_helpers.policy.protocols import Protocol, protocol_named
from lab_helpers.policy.reachability import full_matrix
from lab_helpers.policy.repositories import Repository
from lab_helpers.policy.rules import Direction

DATA = Path(__file__).resolve().parents[3] / "shared" / "conformance" / "policy" / "bench"
SIZES = ("100x100", "100x100-dense", "1000x200", "1000x200-dense", "1000x1000", "5000x1000")


def read_case(size: str) -> dict[str, Any]:
    """The case of one size."""
    with gzip.open(DATA / f"bench-{size}.jsonl.gz", "rt", encoding="utf-8") as stream:
        return dict(json.loads(stream.read()))


def resolve_all(repository: Repository) -> int:
    """Resolve every identity; the number of groups whose peers were merged."""
    population, groups = repository.population, 0
    for identity in population:
        position = population.position(identity.numeric)
        for direction in Direction:
            resolved = repository.resolved(direction, position)
            for level in resolved.levels if resolved else ():
                for group in level.groups.values():
                    group.bits(population)
                    groups += 1
    return groups


def judge_flows(repository: Repository, endpoints: dict[str, Endpoint], case: dict[str, Any]) -> int:
    """Both sides of every flow; the number of wrong verdicts."""
    wrong = 0
    for flow in case["flows"]:
        source, target = endpoints[flow["from"]], endpoints[flow["to"]]
        protocol = protocol_named(flow["protocol"], flows=True)
        assert protocol
        egress = repository.decide(Direction.EGRESS, source, target, protocol, flow["port"]).allowed
        ingress = repository.decide(Direction.INGRESS, target, source, protocol, flow["port"]).allowed
        expected = flow["expected"]
        wrong += (expected["egress"] == "allowed") is not egress or (expected["ingress"] == "allowed") is not ingress
    return wrong


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """(milliseconds, result)."""
    gc.collect()
    start = time.perf_counter()
    result = work()
    return (time.perf_counter() - start) * 1000, result


def peak_megabytes() -> float:
    """The most memory this process had, where the system tells."""
    try:
        import resource
    except ImportError:
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def one_round(case: dict[str, Any]) -> dict[str, float]:
    """One measurement of everything."""
    load, (repository, endpoints, errors) = timed(lambda: case_repository(case))
    assert not any(errors), "the cases have no policy that is refused"
    resolve, groups = timed(lambda: resolve_all(repository))
    flows, wrong = timed(lambda: judge_flows(repository, endpoints, case))
    assert not wrong, f"{wrong} wrong verdicts"
    matrix, rows = timed(lambda: full_matrix(repository, Protocol.TCP, 443))
    newcomer = Endpoint(
        "new/pod", Identity(65000, parse_labels(["k8s:app=app01", "k8s:io.kubernetes.pod.namespace=ns000"]))
    )

    def add_pod() -> None:
        repository.upsert_endpoint(newcomer)
        repository.decide(Direction.INGRESS, newcomer, newcomer, Protocol.TCP, 443)

    def add_policy() -> None:
        first = {**case["policies"][0], "metadata": {**case["policies"][0]["metadata"], "name": "one-more"}}
        repository.upsert(parse(first, repository.config))
        repository.decide(Direction.INGRESS, newcomer, newcomer, Protocol.TCP, 443)

    pod, _ = timed(add_pod)
    policy, _ = timed(add_policy)
    return {
        "load": load,
        "resolve": resolve,
        "flow_us": flows * 1000 / len(case["flows"]),
        "matrix": matrix,
        "pairs": float(sum(row.bit_count() for row in rows)),
        "groups": float(groups),
        "pod": pod,
        "policy": policy,
    }


def measure(size: str, rounds: int) -> dict[str, float]:
    """Medians for one size, with the peak memory of this process."""
    case = read_case(size)
    samples = [one_round(case) for _ in range(rounds)]
    found = {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}
    return {**found, "peak": peak_megabytes()}


def recorded_times() -> dict[str, dict[str, float]]:
    """What Cilium's engine took, by size."""
    lines = (DATA / "cilium-engine-times.jsonl").read_text(encoding="utf-8").splitlines()
    return {str(item["name"]).removeprefix("bench/"): item for item in map(json.loads, lines)}


COLUMNS = (
    f"{'size':<16}{'load':>9}{'Cilium':>9}{'resolve all':>13}{'Cilium':>10}{'times':>8}{'per flow':>10}"
    f"{'matrix':>9}{'+pod':>8}{'+policy':>9}{'peak':>8}"
)


def row(size: str, ours: dict[str, float], theirs: dict[str, float]) -> str:
    """A line of the table."""
    faster = theirs["resolve_all_ms"] / ours["resolve"]
    return (
        f"{size:<16}{ours['load']:>6.0f} ms{theirs['load_ms']:>6.0f} ms{ours['resolve']:>10.0f} ms"
        f"{theirs['resolve_all_ms']:>7.0f} ms{faster:>7.0f}×{ours['flow_us']:>7.0f} µs{ours['matrix']:>6.0f} ms"
        f"{ours['pod']:>5.1f} ms{ours['policy']:>6.1f} ms{ours['peak']:>5.0f} MB"
    )


def plot(results: dict[str, dict[str, float]], theirs: dict[str, dict[str, float]], target: str) -> None:
    """Growth of "resolve all" over identities × policies, both engines, on logarithmic axes."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    sizes = sorted(results, key=lambda size: theirs[size]["identities"] * theirs[size]["policies"])
    across = [theirs[size]["identities"] * theirs[size]["policies"] for size in sizes]
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    axes.loglog(across, [theirs[size]["resolve_all_ms"] for size in sizes], "s--", label="Cilium's engine (Go)")
    axes.loglog(across, [results[size]["resolve"] for size in sizes], "o-", label="this engine (Python)")
    for size, x in zip(sizes, across, strict=True):
        axes.annotate(size, (x, results[size]["resolve"]), textcoords="offset points", xytext=(4, -12), fontsize=7)
    axes.set(xlabel="identities × policies", ylabel="resolve every identity (ms)")
    axes.legend()
    figure.savefig(target)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", default=SIZES, metavar="SIZE")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plot", metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one size, as JSON, in this process")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        parser.exit(1, f"the recorded cases are not at {DATA}\n")
    if arguments.json:
        print(json.dumps(measure(arguments.sizes[0], arguments.rounds)))
        return
    theirs = recorded_times()
    results = {}
    print(COLUMNS)
    for size in arguments.sizes:
        command = [sys.executable, __file__, size, "--json", "--rounds", str(arguments.rounds)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8")
        results[size] = json.loads(done.stdout)
        print(row(size, results[size], theirs[size]), flush=True)
    if arguments.plot:
        plot(results, theirs, arguments.plot)


if __name__ == "__main__":
    main()
