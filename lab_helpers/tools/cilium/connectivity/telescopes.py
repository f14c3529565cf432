"""Reaching Hubble Relay for flow validation: at ``--hubble-server``, else by a port-forward."""

import os

from lab_helpers.tools.cilium.connectivity.flows import Telescope
from lab_helpers.tools.cilium.connectivity.speaking import Speaker
from lab_helpers.tools.cilium.errors import CiliumError
from lab_helpers.tools.cilium.sessions import Session


def open_telescope(session: Session, speaker: Speaker, *, tell: bool) -> Telescope | None:
    """Relay, or None when flows are not to be validated or cannot be (which is said when `tell`)."""
    flags = session.flags
    if not flags["hubble"] or flags["flow-validation"] == "disabled":
        return None
    from lab_helpers.hubble.client import HubbleClient
    from lab_helpers.hubble.errors import HubbleError

    try:
        telescope = Telescope(HubbleClient(_address(session), connect_timeout=2.0))
        nodes, kept, most = telescope.count()
    except (HubbleError, CiliumError) as error:
        if tell:
            speaker.say(f"⚠️  Unable to contact Hubble Relay, disabling Hubble telescope and flow validation: {error}")
            speaker.say("ℹ️  Expose Relay locally with:")
            speaker.say("   cilium hubble enable")
            speaker.say("   cilium hubble port-forward&")
        return None
    if tell:
        speaker.say(f"ℹ️  Hubble is OK, flows: {kept}/{most}, connected nodes: {nodes}, unavailable nodes 0")
    return telescope


def _address(session: Session) -> str:
    flags = session.flags
    if flags.changed("hubble-server"):
        return str(flags["hubble-server"])
    given = os.environ.get("HUBBLE_SERVER")
    if given:
        return given
    from lab_helpers.tools.cilium.hubbling import open_forward

    return f"localhost:{open_forward(session, 'hubble-relay', 0).port}"
