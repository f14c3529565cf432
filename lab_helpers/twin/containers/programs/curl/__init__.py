"""curl 8.14, as far as HTTP and HTTPS in a simulated network need it."""

from lab_helpers.twin.containers.programs.curl.running import curl

__all__ = ["curl"]
