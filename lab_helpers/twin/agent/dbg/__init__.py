"""``cilium-dbg`` in the agent's container: one module per group of commands, every figure from the agent's state.

Follows Cilium cilium-dbg/cmd. A command is ``async def run(session, arguments) -> int``; ``session`` has the agent
and the output.
"""
