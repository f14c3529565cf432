"""Names: the stub resolver of simulated programs, the Corefile, and the cluster's zone.

CoreDNS itself is a program: ``twin.containers.programs.coredns``.
"""
