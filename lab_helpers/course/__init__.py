"""The course: labs, tasks, checks, hints and progress.

==================  =====================================================================================
``catalogue``       where the labs are
``tasks``           tasks, checks, predictions as values; ``reading`` makes them from files
``api``             the Kubernetes API as checks use it; ``tooling`` runs kubectl and helm
``workloads``       which pod is meant by ``namespace/workload``
``probing``         real connections from real pods; ``observing`` reads the flows that explain them
``checking``        tasks checked by behaviour; ``answering`` gives an answer to the cluster
``predicting``      commit first, then see
``staging``         bare cluster, Cilium, the shop (``shopping``)
``records``         progress outside the kernel; ``reporting`` shows it
``sessions``        ``Lab``, the one object a notebook needs; ``notebooks`` is its way into IPython
``running``         labs by papermill, each on a cluster of its own
==================  =====================================================================================
"""
