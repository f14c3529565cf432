"""The bundled ``hubble`` command: the command line of Cilium's Hubble CLI 1.19.4, its output, errors and exit codes.

It talks to any Hubble server (see ``lab_helpers.hubble.client``). Imports are late, so a command loads only what it
needs. Upstream counterpart: Cilium ``hubble/cmd``.
"""
