"""Views: one small data model each, rendered as text and HTML or SVG, and as a widget or a figure.

==================  ===============================================================================
``display``         what all of them share: text and HTML forms; ``style`` has the colours
``showing``         the widget where there is a kernel, the static forms everywhere else
``live``            flows as they happen, and what widgets over them share
``explorer``        the flow explorer
``map``             the service map
``identities``      identities, who has them, and what a label would change
``bets``            the verdict matrix with bets
``plots``           figures
==================  ===============================================================================

The models are values and functions over them; only ``live``, the widgets and what they call talk to a cluster.
"""
