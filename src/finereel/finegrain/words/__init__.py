"""English words: inflection, WordNet, curated sets, and taggers."""
