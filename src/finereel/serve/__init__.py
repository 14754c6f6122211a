"""`finereel serve`: a page and an API over one library, for people and programs."""
