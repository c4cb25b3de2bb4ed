"""May this turn go to this arm now? Pure decisions: who is sampled, what is shed, when to try again."""
