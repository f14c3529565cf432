"""The service map: who speaks to whom, live.

``places`` and ``sightings`` read flows, ``tallies`` counts them into a ``maps.ServiceMap``; ``layouts`` gives every
place its spot and ``drawings`` makes the SVG; ``details`` answers what an edge is made of; ``widget`` is the live form.
"""
