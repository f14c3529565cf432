"""HTTP/1.1 between simulated programs (messages by h11), and the TLS model beneath ``https``."""
