"""Views: one small data model each, rendered as text and HTML, some of them as widgets or figures.

``display`` holds what all of them share; a view never talks to a cluster.
"""
