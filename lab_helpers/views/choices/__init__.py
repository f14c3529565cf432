"""Questions with a few answers, of which the learner commits to one before seeing the truth.

=============  ===========================================================================
``questions``  the model, with its text and HTML forms
``widget``     the question as a widget; ``widget.js`` and ``widget.css`` are its page
=============  ===========================================================================
"""
