"""Make negatives from captions: find words to change, propose replacements, and reject unsafe ones."""
