"""WHO BELONGS WITH WHOM: texts and the clips they describe."""
