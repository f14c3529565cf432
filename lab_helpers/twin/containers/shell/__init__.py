"""A POSIX-like shell for simulated containers: parsing, expansion, and running of commands in the event loop."""
