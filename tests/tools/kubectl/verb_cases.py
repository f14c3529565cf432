"""Every verb of kubectl with its main flags, in an order in which each finds what it needs.

`expect` is a regular expression that what is printed must match (stdout, then stderr); `code` the exit status.
With `until` the command does not end by itself: it is ended once that expression has been printed. `differs` says in
words what is not as documented; `expect` then is what the embedded cluster says instead.
"""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """One command; words are split at blanks, with ``_`` for a blank inside a word where `blank` says so."""

    verb: str
    words: tuple[str, ...]
    expect: str
    code: int = 0
    until: str = ""
    differs: str = ""
    stdin: str | None = None
    editor: str = ""


def case(line: str, expect: str = "", *more: str, **options: object) -> Case:
    """A case from a command line; `more` are further words that may hold blanks."""
    words = (*line.split(), *more)
    return Case(words[0], words, expect, **options)  # type: ignore[arg-type]


DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {name: web, image: "nicolaka/netshoot:v0.14", command: [sh, -c, "while true; do echo tick; sleep 1; done"]}
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: tool, labels: {run: tool}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: server, image: "nginx:1.29"}
  - {name: shell, image: "nicolaka/netshoot:v0.14", command: [sh], stdin: true}
"""
OTHER = DEPLOYMENT.replace("replicas: 2", "replicas: 7")
KUSTOMIZATION = "resources: [deployment.yaml]\nnamePrefix: k-\nnamespace: verbs\n"
FILES = {
    "deployment.yaml": DEPLOYMENT,
    "pod.yaml": POD,
    "kustom/deployment.yaml": DEPLOYMENT,
    "kustom/kustomization.yaml": KUSTOMIZATION,
    "words.txt": "some words\n",
}
"""Files in the folder the commands run in."""

_NOT_SERVED = "the server (doesn't have a resource type|could not find the requested resource)"

CASES: tuple[Case, ...] = (
    case("version", r"Server Version: v1\.3"),
    case("cluster-info", r"control plane.* is running at .*https://127"),
    case(
        "cluster-info dump --namespaces default --output-directory dump",
        "replicationcontrollers",
        code=1,
        differs="stops at ReplicationControllers, which are not served",
    ),
    case("api-versions", r"(?m)^cilium\.io/v2$"),
    case("api-resources --namespaced=false -o name", r"(?m)^nodes$"),
    case("api-resources --api-group=cilium.io --verbs=list -o wide", "CiliumNetworkPolicy"),
    case("explain deploy.spec.replicas", "FIELD: replicas <integer>"),
    case("explain cnp --recursive", "endpointSelector"),
    case("create namespace verbs", "namespace/verbs created"),
    case("config set-context --current --namespace=verbs", "modified"),
    case("config view --minify", "namespace: verbs"),
    case("config current-context", "cilium-labs"),
    case("config get-contexts -o name", "cilium-labs"),
    case("apply -f deployment.yaml --dry-run=client", r"created \(dry run\)"),
    case("apply -f deployment.yaml --dry-run=server", r"created \(server dry run\)"),
    case("diff -f deployment.yaml", r"\+kind: Deployment", code=1),
    case("apply -f deployment.yaml", "web created"),
    case("apply -f deployment.yaml", "web unchanged"),
    case("apply -f -", "pod/tool created", stdin=POD),
    case("rollout status deploy/web --timeout=240s", "successfully rolled out"),
    case("wait --for=condition=Ready pod/tool --timeout=240s", "condition met"),
    case("get all", "deployment.apps/web"),
    case("get pods -o wide", r"NOMINATED NODE +READINESS GATES"),
    case("get deploy web -o yaml", r"(?m)^  replicas: 2$"),
    case("get deploy web -o json", '"kind": "Deployment"'),
    case("get deploy web -o", r"^web 2\n$", "jsonpath={.metadata.name} {.spec.replicas}{'\\n'}"),
    case("get pods -o custom-columns=N:.metadata.name,NODE:.spec.nodeName", "(?m)^tool +cilium-labs-"),
    case("get pods -o name", "(?m)^pod/tool$"),
    case("get deploy web -o", "^web$", "go-template={{.metadata.name}}"),
    case("get pods -l app=web --field-selector status.phase=Running --no-headers", r"^(web-\S+ +1/1 .*\n){2}$"),
    case("get pods -A --chunk-size=3 -o name", r"(pod/\S+\n){8}"),
    case("get pods --sort-by=.metadata.name --show-labels", "pod-template-hash="),
    case("get deploy/web --subresource=scale", "web"),
    case("get pods -w", until=r"(?m)^tool .*Running"),
    case("get --raw /readyz", "^ok"),
    case("describe deploy web", "NewReplicaSet: +web-"),
    case("describe pod tool", "(?s)Containers:.*Events:"),
    case("describe node cilium-labs-worker", "Allocated resources"),
    case("apply --server-side -f deployment.yaml", "serverside-applied"),
    case("apply --server-side --field-manager=other -f -", "conflict", code=1, stdin=OTHER),
    case("apply --server-side --force-conflicts -f deployment.yaml", "serverside-applied"),
    case("diff --server-side -f deployment.yaml", "^$"),
    case("apply edit-last-applied deploy/web", "edited|no changes", editor="true"),
    case("apply view-last-applied deploy/web", "replicas: 2"),
    case("patch deploy web -p", "patched", '{"spec":{"revisionHistoryLimit":5}}'),
    case("patch deploy web --type=merge -p", "patched", '{"metadata":{"annotations":{"a":"b"}}}'),
    case("patch deploy web --type=json -p", "patched", '[{"op":"replace","path":"/spec/replicas","value":3}]'),
    case("patch deploy web --subresource=scale --type=merge -p", "patched", '{"spec":{"replicas":2}}'),
    case("label deploy web tier=front", "labeled"),
    case("label deploy web tier=back", "already has a value", code=1),
    case("label deploy web tier-", "unlabeled"),
    case("annotate deploy web note=one --overwrite", "annotated"),
    case("scale deploy web --replicas=1 --current-replicas=2", "scaled"),
    case("edit deploy web", "edited", editor="sed -i.bak s/replicas:.1/replicas:\\ 2/"),
    case("edit deploy web", "no changes made", editor="true"),
    case("set image deploy/web web=nicolaka/netshoot:v0.13", "image updated"),
    case("set env deploy/web MODE=test", "env updated"),
    case("set env deploy/web --list", "MODE=test"),
    case("set resources deploy web --requests=cpu=10m", "resource requirements updated"),
    case("rollout status deploy/web --timeout=240s", "successfully rolled out"),
    case("rollout history deploy/web", "REVISION +CHANGE-CAUSE"),
    case("rollout history deploy/web --revision=1", "netshoot:v0.14"),
    case("rollout pause deploy/web", "paused"),
    case("rollout resume deploy/web", "resumed"),
    case("rollout undo deploy/web --to-revision=1", "rolled back"),
    case("rollout restart deploy/web", "restarted"),
    case("rollout status deploy/web --timeout=240s", "successfully rolled out"),
    case("expose deploy web --port=80 --target-port=8080", "service/web exposed"),
    case("set selector svc web app=web", "selector updated"),
    case(
        "autoscale deploy web --min=1 --max=3 --cpu-percent=80",
        _NOT_SERVED,
        code=1,
        differs="there are no HorizontalPodAutoscalers: nothing here uses CPU time that could be measured",
    ),
    case("run once --image=nicolaka/netshoot:v0.14 --restart=Never -- echo hi", "pod/once created"),
    case("wait --timeout=240s pod/once --for", "condition met", "jsonpath={.status.phase}=Succeeded"),
    case(
        "run typed -i --rm --image=nicolaka/netshoot:v0.14 --restart=Never -- sh",
        "21",
        stdin="sleep 1; echo $((3 * 7))\n",
    ),
    case("logs once", "^hi\n$"),
    case("logs deploy/web --tail=2 --since=5m --timestamps", r"^(20\S+Z tick\n){1,2}"),
    case("logs -l app=web --prefix --tail=1", r"\[pod/web-\S+/web\] tick"),
    case("logs deploy/web -f --tail=1", until=r"tick\ntick"),
    case("logs tool -c shell --previous", "previous terminated container", code=1),
    case("exec tool -c shell -- hostname", "^tool\n$"),
    case("exec -i tool -c shell -- cat", "^given\n$", stdin="given\n"),
    case("exec tool -c shell -- sh -c", "exit code 7", "exit 7", code=7),
    case(
        "attach -i tool -c shell",
        "(?s)If you don't|made it",
        stdin="echo made it > /tmp/typed\n",
        until="command prompt",
    ),
    case("attach deploy/web", until="tick"),
    case("cp words.txt tool:/tmp/words.txt -c shell", "^$"),
    case("cp tool:/tmp/words.txt back.txt -c shell", ""),
    case("port-forward pod/tool :80", until=r"Forwarding from 127\.0\.0\.1:\d+ -> 80"),
    case("port-forward svc/web :80", until="Forwarding from"),
    case("proxy --port=0", until=r"Starting to serve on 127\.0\.0\.1:\d+"),
    case(
        "debug tool --profile=general --image=nicolaka/netshoot:v0.14 -c extra --target=shell -- echo",
        "Targeting|^",
        "x",
    ),
    case(
        "wait pod/tool --timeout=240s --for",
        "met",
        "jsonpath={.status.ephemeralContainerStatuses[0].state.terminated.exitCode}=0",
    ),
    case("logs tool -c extra", "^x\n$"),
    case(
        "debug tool --profile=general --copy-to=copy --set-image=shell=nicolaka/netshoot:v0.13 -c shell -- sleep 9", ""
    ),
    case(
        "debug node/cilium-labs-worker --profile=general --image=nicolaka/netshoot:v0.14 -- hostname",
        "Creating debugging pod",
    ),
    case("create job work --image=nicolaka/netshoot:v0.14 -- echo done", "job.batch/work created"),
    case("wait --for=condition=complete job/work --timeout=240s", "condition met"),
    case(
        "create cronjob often --image=nicolaka/netshoot:v0.14",
        "created",
        "--schedule=*/1 * * * *",
        "--",
        "echo",
        "x",
        differs="the CronJob is stored, but its schedule starts no Job; create job --from works",
    ),
    case("create job now --from=cronjob/often", "created"),
    case("create configmap settings --from-literal=a=b --from-file=words.txt", "created"),
    case("create secret generic keys --from-literal=a=b", "created"),
    case("create serviceaccount robot", "created"),
    case("create token robot --duration=1h", r"^ey[\w-]+\.[\w-]+\.[\w-]+\s*$"),
    case("create role reader --verb=get,list --resource=pods", "created"),
    case("create rolebinding reader --role=reader --serviceaccount=verbs:robot", "created"),
    case("create clusterrole seer --verb=get --resource=nodes", "created"),
    case("create deployment made --image=nginx:1.29 --replicas=1 --port=80", "created"),
    case("create service nodeport made --tcp=80", "created"),
    case("create ingress way --rule=a.example/*=web:80", "created"),
    case("create pdb guard --selector=app=web --min-available=1", "created"),
    case("create priorityclass verbs-high --value=10", "created"),
    case(
        "create quota few --hard=pods=20",
        _NOT_SERVED,
        code=1,
        differs="there are no ResourceQuotas (and no LimitRanges): nothing would enforce them",
    ),
    case("auth can-i create pods", "^yes"),
    case("auth can-i --list", r"\*\.\*"),
    case("auth whoami", "kubernetes-admin"),
    case(
        "auth can-i delete nodes --as=system:serviceaccount:verbs:robot",
        "^(yes|no)",
        differs="answers yes: roles are stored, not enforced",
    ),
    case("top node", "Metrics API not available", code=1),
    case("top pod", "Metrics API not available", code=1),
    case("events --for pod/tool", "Started container"),
    case("get events --field-selector involvedObject.name=tool", "Scheduled"),
    case("kustomize kustom", "name: k-web"),
    case("apply -k kustom", "k-web created"),
    case("get -k kustom", "k-web"),
    case("delete -k kustom", "deleted"),
    case("replace -f deployment.yaml", "replaced"),
    case("replace --force -f pod.yaml", "replaced"),
    case("wait --for=condition=Ready pod/tool --timeout=240s", "condition met"),
    case("cordon cilium-labs-worker", "cordoned"),
    case(
        "drain cilium-labs-worker --ignore-daemonsets --delete-emptydir-data --force --timeout=240s",
        "drained",
        "--pod-selector=app=web",
    ),
    case("uncordon cilium-labs-worker", "uncordoned"),
    case("taint node cilium-labs-worker2 k=v:NoSchedule", "tainted"),
    case("taint node cilium-labs-worker2 k-", "untainted"),
    case(
        "certificate approve nothing",
        _NOT_SERVED,
        code=1,
        differs="there are no CertificateSigningRequests: the cluster signs nothing on demand",
    ),
    case("completion bash", "bash completion"),
    case("plugin list", "unable to find any kubectl plugins|compatible plugins", code=1),
    case("options", "--kubeconfig"),
    case("delete pod once --grace-period=0 --force", "force deleted"),
    case("delete deploy web --cascade=orphan", "deleted"),
    case("get rs -l app=web -o name", "replicaset.apps/web-"),
    case("delete rs -l app=web --cascade=foreground --timeout=240s", "deleted"),
    case("delete cm,secret --all --wait=false", "deleted"),
    case("delete namespace verbs --timeout=240s", "deleted"),
    case("delete priorityclass/verbs-high clusterrole/seer", "deleted"),
)
