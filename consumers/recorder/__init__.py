"""The recorder: writes comparisons and outcomes into the ledger.

``loop`` orders the effects; ``batch`` is what one poll brought; ``client`` is kafka-python's consumer, watched;
``progress`` says where it stands, and whether it stands still; ``writer`` hands a batch to the ledger; ``away`` waits
for a part that is away.
"""

from consumers.recorder.loop import Recorder

__all__ = ["Recorder"]
