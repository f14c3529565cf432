"""The service map: who speaks to whom, live.

``places`` and ``sightings`` read flows, ``tallies`` counts them into a ``maps.ServiceMap``; ``layouts`` gives every
place its spot, ``drawings`` the geometry and ``rendering`` the SVG; ``details`` answers what an edge is made of;
``pages`` is the static form, ``widget`` the live one.
"""
