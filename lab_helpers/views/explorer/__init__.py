"""The flow explorer: flows as they happen, filtered in the words of ``hubble observe``.

==================  =================================================================================
``words``           a command line split into words that remember where they stood
``commands``        a ``hubble observe`` command: read, checked, written; its filters as a predicate
``explorations``    the model: command, state, rows; its text and HTML forms
``packing``         rows as binary columns with a table of strings, for the page
``details``         everything one flow says, and the policies that decided it
``reasons``         why, from the policy engine, on the cluster's own pods and policies
``exporting``       flows as ``hubble observe -o jsonpb`` writes them
``widget``          the widget; its page's half is ``widget.js``
==================  =================================================================================
"""
