"""The Cilium side of the twin's control plane: one agent per node, the operator, and the programs of Cilium's images.

``agents.Agents`` implements ``interfaces.NodeNetwork``. An agent lives exactly as long as the program
``cilium-agent`` runs in the container of that name on its node; ``images.cilium_images`` offers that program and
the others of quay.io/cilium. What an agent puts into the datapath's tables (``twin.datapath.tables``) stays when it
stops, as pinned BPF maps do.

What is where:

- programs and images: ``images``, ``programs``, what those share (``processes``, ``logs``, ``webserving``,
  ``reaching``); cilium-dbg and the agent's hubble are in ``dbg``, metrics in ``metrics``
- agents: ``agents`` of the cluster, ``nodeagents`` one by one, their files (``runtimeconfigs``)
- endpoints: ``endpoints``, from CNI ADD to their end (``endpointkeeping``); numbers for them (``allocating``), labels
  (``labelling``), the objects that tell of them (``publishing``)
- policies: ``importing``, ``realizing``; the operator's part: ``operators``, ``validating``
- addresses: ``addressing``, and what DNS taught (``names``)
- proxies: ``dnsproxy``, ``httpproxy``, ``kafkaproxy``, ``tlsproxy``, and where Envoy runs (``envoys``)
- ``notifying``: what agents tell Hubble and the monitor about themselves
"""
