"""kubectl's commands: name, group on the help page, one line about it, and the module that implements it ("" for
refused ones).
"""

from typing import NamedTuple


class Verb(NamedTuple):
    """One command of the root. `refused` says why it is not bundled."""

    name: str
    group: str
    short: str
    module: str
    aliases: tuple[str, ...] = ()
    refused: str = ""


BEGINNER = "Basic Commands (Beginner)"
INTERMEDIATE = "Basic Commands (Intermediate)"
DEPLOY = "Deploy Commands"
MANAGEMENT = "Cluster Management Commands"
DEBUGGING = "Troubleshooting and Debugging Commands"
ADVANCED = "Advanced Commands"
SETTINGS = "Settings Commands"
OTHER = "Other Commands"

GROUPS = (BEGINNER, INTERMEDIATE, DEPLOY, MANAGEMENT, DEBUGGING, ADVANCED, SETTINGS, OTHER)

VERBS = (
    Verb("create", BEGINNER, "Create objects from files, or of a kind from flags", "creating"),
    Verb("expose", BEGINNER, "Make a Service for a workload", "exposing"),
    Verb("run", BEGINNER, "Start a pod with an image", "running"),
    Verb("set", BEGINNER, "Change images or environment of workloads", "setting"),
    Verb("explain", INTERMEDIATE, "Describe the fields of a type", "explaining"),
    Verb("get", INTERMEDIATE, "List objects, or print some of them", "getting"),
    Verb("edit", INTERMEDIATE, "Change an object in your editor", "editing"),
    Verb("delete", INTERMEDIATE, "Delete objects by file, name or label", "deleting"),
    Verb("rollout", DEPLOY, "Follow, undo, restart, pause rollouts", "rollouts", ("rollouts",)),
    Verb("scale", DEPLOY, "Change the number of replicas", "scaling"),
    Verb("autoscale", DEPLOY, "(not bundled) scale by load", "", (), "scale by hand with kubectl scale"),
    Verb("cluster-info", MANAGEMENT, "Where the API server and cluster services are", "informing", ("clusterinfo",)),
    Verb("top", MANAGEMENT, "Resource usage, where a metrics server runs", "topping"),
    Verb("cordon", MANAGEMENT, "Keep new pods off a node", "nodes"),
    Verb("uncordon", MANAGEMENT, "Let new pods onto a node again", "nodes"),
    Verb("drain", MANAGEMENT, "Move the pods off a node", "nodes"),
    Verb("taint", MANAGEMENT, "Change the taints of nodes", "tainting"),
    Verb("describe", DEBUGGING, "Details of objects and their events", "describing"),
    Verb("logs", DEBUGGING, "Print what containers wrote", "logging", ("log",)),
    Verb("attach", DEBUGGING, "Join the program of a running container", "attaching"),
    Verb("exec", DEBUGGING, "Run a command in a container", "executing"),
    Verb("port-forward", DEBUGGING, "Forward local ports into a pod", "forwarding"),
    Verb("proxy", DEBUGGING, "(not bundled) an HTTP proxy to the API server", "", (), "use kubectl get --raw"),
    Verb("cp", DEBUGGING, "Copy files into and out of containers", "copying"),
    Verb("auth", DEBUGGING, "Ask what you may do", "authorizing"),
    Verb("debug", DEBUGGING, "Add a debugging container to a pod", "debugging"),
    Verb("events", DEBUGGING, "List events, oldest first", "happenings"),
    Verb("diff", ADVANCED, "What applying a file would change", "differing"),
    Verb("apply", ADVANCED, "Make objects be as files say", "applying"),
    Verb("patch", ADVANCED, "Change fields of an object", "patching"),
    Verb("replace", ADVANCED, "Replace objects by what files hold", "replacing"),
    Verb("wait", ADVANCED, "Wait until objects meet a condition", "waiting"),
    Verb("kustomize", ADVANCED, "(not bundled) build a kustomization", "", (), "apply plain manifests with -f"),
    Verb("label", SETTINGS, "Change labels", "labelling"),
    Verb("annotate", SETTINGS, "Change annotations", "labelling"),
    Verb("completion", SETTINGS, "(not bundled) code for shell completion", "", (), "type commands in full"),
    Verb("api-resources", OTHER, "The resource types of the server", "informing"),
    Verb("api-versions", OTHER, "The API versions of the server", "informing"),
    Verb("config", OTHER, "Read and change kubeconfig files", "configuring"),
    Verb("version", OTHER, "Versions of kubectl and the server", "informing"),
    Verb("options", OTHER, "Flags every command has", "informing"),
)  # fmt: skip


def verb(name: str) -> Verb | None:
    """The command with this name or alias."""
    return next((entry for entry in VERBS if name == entry.name or name in entry.aliases), None)
