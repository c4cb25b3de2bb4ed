"""Shadow: a streaming shadow-deployment evaluator for support models.

Version only: the Tap is imported inside production, so importing this package costs nothing.
"""

__version__ = "0.1.0"
