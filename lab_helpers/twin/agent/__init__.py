"""The Cilium side of the twin's control plane: one agent per node, the operator, and the programs of Cilium's images.

``agents.Agents`` implements ``interfaces.NodeNetwork``. An agent lives exactly as long as the program
``cilium-agent`` runs in the container of that name on its node; ``images.cilium_images`` offers that program and
the others of quay.io/cilium. What an agent puts into the datapath's tables (``twin.datapath.tables``) stays when it
stops, as pinned BPF maps do.
"""
