"""What every local web server of this package is made of: who may ask, ranges of files, bounded
pools, and the running server.
"""
