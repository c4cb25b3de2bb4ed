"""The processes: each runs what a room of ``shadow`` decides. ``python -m consumers NAME``."""
