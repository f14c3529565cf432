"""Views: one small data model each, rendered as text and HTML or SVG, and as a widget or a figure.

==================  ===============================================================================
``display``         what all of them share: text and HTML forms; ``style`` has the colours
``tables``          tables and framed messages (``panels``), of which most others are made
``flows``           flows as rows; ``attempts`` one connection tried, with the flows that explain it
``matrices``        who reaches whom, in the words of ``verdicts``
``cards``           the card at the top of a lab
``showing``         the widget where there is a kernel, the static forms everywhere else
``live``            flows as they happen, and what widgets over them share
``explorer``        the flow explorer
``map``             the service map
``identities``      identities, who has them, and what a label would change
``bets``            the verdict matrix with bets
``choices``         questions to commit to before the answer is seen
``plots``           figures
==================  ===============================================================================

The models are values and functions over them; only ``live``, the widgets and what they call talk to a cluster.
"""
