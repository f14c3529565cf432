"""The datapath: what happens to a packet between two simulated programs, and which events Cilium's BPF programs report
about it.

``datapaths.Datapath`` implements ``interfaces.Networks``. A packet goes through ``plane.Plane.send``: the source
pod's program (service translation, conntrack, egress policy), routing (same node, overlay, stack), the destination
pod's program (conntrack, ingress policy), delivery. Per-node state lives in ``tables.NodeTables``; like pinned BPF
maps it outlives the agent that fills it.

Follows Cilium bpf/bpf_lxc.c, bpf/lib/conntrack.h, bpf/lib/trace.h, bpf/lib/policy_log.h and pkg/hubble/parser.
"""
