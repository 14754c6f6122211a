"""Review negatives: people judge a sample, and the agreement of two raters is measured."""
