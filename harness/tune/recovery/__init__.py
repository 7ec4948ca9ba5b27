"""Trials that end before they should: what is kept of them, why they died, who is tried again."""
