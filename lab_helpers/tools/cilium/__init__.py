"""A small cilium (the workstation command line): install, status, config, hubble, connectivity test, sysdump.

It talks to any cluster through the Kubernetes API and keeps releases as Helm does. Behaviour and output follow
github.com/cilium/cilium, folder cilium-cli; the code is ours.
"""
