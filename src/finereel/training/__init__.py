"""Training: loss, optimizer, checkpoint and the training loop."""
