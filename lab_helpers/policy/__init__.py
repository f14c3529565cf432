"""The policy engine: Cilium's verdicts, with reasons. Pure: no I/O, no clock, no globals."""
