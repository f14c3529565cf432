"""A small kubectl: the real protocol, kubectl's command lines, output, errors and exit codes (kubectl v1.32 is the
measure).

`main` runs one command. Each command is a module of `commands`, imported only when it is asked for; what a command
needs of the cluster it gets from a `Session`. Behaviour follows k8s.io/kubectl and k8s.io/cli-runtime; the code is
ours.
"""
