"""What every plug-in is held to, a built-in one as an outsider's: ``shadow plugins test`` and this project's own tests.

``samples`` holds what a model or a customer might write; ``checks`` are functions from a plug-in to what it breaks, in
words, empty if it breaks nothing; ``answers`` says what is wrong with one answer; ``trials`` try what nobody would
write, and a megabyte of it; ``isolated`` runs the checks in a process of their own, where files, sockets and processes
that the plug-in opens are seen and a plug-in that hangs is ended; ``costs`` measures microseconds a pair.
"""

from shadow.conformance.checks import CHECKS, run
from shadow.conformance.costs import Cost, costs
from shadow.conformance.isolated import PATIENCE_S, Verdict, examine

__all__ = ["CHECKS", "PATIENCE_S", "Cost", "Verdict", "costs", "examine", "run"]
