"""kubectl's commands, one module each (or one for a few small ones); each has ``build(name)``, which makes the
command.
"""
