"""Plots by matplotlib, in one style that follows the page's light or dark theme.

===============  ===================================================================================
``styles``       the style; a figure as SVG whose colours are the theme's
``bars``         counts by something, split by something: drops by reason, flows by kind
``timelines``    verdicts over time
``latencies``    how long HTTP answers took, as the share that was quicker
``costs``        the cost of a lookup as a table grows
``counting``     from flows to these models
``widget``       a plot of live flows that draws itself anew
===============  ===================================================================================
"""
