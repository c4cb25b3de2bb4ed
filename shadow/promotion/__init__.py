"""From a verdict to a promotion: sealed evidence, findings against a candidate, and the record of who promoted what.

``evidence`` seals what a verdict rests on into one file (``bundle``: the file, ``columns``: its rows, ``course``: its
figures, ``worst``: the pairs to look at, ``page``: one page for people), ``verify`` comes to the verdict again from
that file alone. ``promote`` says whether a candidate may replace production now, and what to change for it.
"""
