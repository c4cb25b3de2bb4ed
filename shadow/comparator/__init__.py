"""What did the arm do differently? ``join`` brings a turn and its replies together, ``compare`` measures the pairs."""
