"""What scores allow to be said: differences, tests, intervals and comparisons, for all readers."""
