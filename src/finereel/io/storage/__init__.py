"""Places of a library: local folders, and prefixes of object stores with conditional writes."""
