"""Training: loss, optimizer, checkpoint, and one loop that is readable top to bottom."""
