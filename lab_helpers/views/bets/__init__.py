"""Bets on a verdict matrix: who will reach whom, committed to before the cluster is asked.

============  ==================================================================
``boards``    the model: connections before, bets, connections after, the score
``widget``    the board as a widget; ``widget.js`` and ``widget.css`` are its page
============  ==================================================================
"""
