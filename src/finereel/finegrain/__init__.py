"""Fine-grained negatives: captions with one word or phrase changed, so that the video contradicts
them. Nothing here imports torch.
"""
