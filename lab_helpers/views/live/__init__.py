"""Flows as they happen: one follower per cluster and kernel, and the widgets that listen to it.

==================  ===============================================================================
``statuses``        what a live view says about its source: connecting, live, no Cilium, gone …
``diagnosing``      why there are no flows, from the cluster itself, and what to do
``rings``           the newest flows, numbered, safe to read from any thread
``following``       the follower: one thread, one stream from Hubble Relay, reconnecting by itself
``sharing``         one of them for each cluster, whoever asks
``working``         a widget's own thread: work that is asked for often and done now and then
``widgets``         ``LiveWidget``: comm, static forms beside it, heartbeat, problems shown in place
``frame.js``        the page's half of ``LiveWidget``; each widget's module starts with it
==================  ===============================================================================
"""
