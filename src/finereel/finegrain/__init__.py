"""CAPTIONS THAT ARE ALMOST RIGHT: one word or phrase changed, so that the video contradicts it. No
torch in here.
"""
