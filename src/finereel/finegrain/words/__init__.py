"""What is known about English words: inflection, WordNet, curated sets, and taggers."""
