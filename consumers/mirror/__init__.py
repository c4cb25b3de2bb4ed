"""One arm's mirror: reads turns, asks the arm, writes exactly one reply record per sampled turn.

``service`` is the loop, and what happens when partitions come and go; ``asking`` holds the queue of turns and the calls
under way; ``replies`` writes; ``look_back`` finds what was answered before a restart; ``partition`` is what all of them
know of one partition.
"""

from consumers.mirror.service import GRACE_S, Mirror

__all__ = ["GRACE_S", "Mirror"]
