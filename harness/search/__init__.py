"""What is tried next: studies of Optuna over the space of a file."""
