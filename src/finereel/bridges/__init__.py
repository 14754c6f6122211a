"""Bridges to neighbouring tools: MTEB, sentence-transformers, MCP, FiftyOne and the Hugging Face hub.

Every module imports its neighbour only when it is used, so that none of them is needed for the rest.
"""
