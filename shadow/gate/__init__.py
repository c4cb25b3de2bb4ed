"""May this candidate replace production? Pure statistics over closed conversations, and the rule that reads them.

A conversation comes in once, when it is closed (``conversations``); what it says of each guardrail and slice
(``guardrails``) is added to integers that merge in any order (``evidence``, of ``betting``, ``turn_weighted``,
``budget``, with the boundaries of ``robbins``); the rule turns those into PROMOTE, HOLD or REJECT (``rules``,
``verdict``). ``plan`` says beforehand how long that will take. ``arguments`` refuses what cannot be.
"""
