"""What is wrong with an installation, and what to do about it: facts in, findings out. Pure: the command looks.

Each file decides on one part; a :class:`Finding` is one line of ``shadow doctor``, with the remedy as a command where
there is one. Facts that nobody could learn are findings too: no answer is not "fine".
"""

from shadow.doctor.finding import Finding, Status, failed, fine, healthy, unanswered, warned

__all__ = ["Finding", "Status", "failed", "fine", "healthy", "unanswered", "warned"]
