"""All folds of one configuration, epoch by epoch: the only layer that trains."""
