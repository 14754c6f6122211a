"""A masked language model of a few thousand weights, saved as `transformers` saves one; taught or
random.
"""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

ANIMALS = ("cat", "dog", "horse", "bird")
DOINGS = ("sleeps", "runs", "eats", "jumps")
PLACES = ("park", "house", "street")
SENTENCES = [
    f"a {animal} {doing} in the {place}"
    for animal in ANIMALS
    for doing in DOINGS
    for place in PLACES
]
WORDS = ("a", "an", "in", "the", *ANIMALS, *DOINGS, *PLACES, "##s", "##ing", "walk", "<", "b", "!")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def save_tokenizer(directory: Path, longest: int) -> PreTrainedTokenizerFast:
    """WordPiece over WORDS, lower case."""
    vocabulary = {word: number for number, word in enumerate((*SPECIAL, *WORDS))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    ends = [("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=ends
    )
    names = zip(
        ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=longest, **dict(names)
    )
    fast.save_pretrained(directory)
    return fast


def save_masked_lm(directory: Path, steps: int = 0) -> Path:
    """A model directory; with steps, the model has learned SENTENCES."""
    torch.manual_seed(0)
    tokenizer = save_tokenizer(directory, longest=32)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=34,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = BertForMaskedLM(config)
    _teach(model, tokenizer, steps)
    model.save_pretrained(directory)
    return directory


def _teach(model: BertForMaskedLM, tokenizer: PreTrainedTokenizerFast, steps: int) -> None:
    ids = tokenizer(SENTENCES, return_tensors="pt")["input_ids"]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(steps):
        position = 1 + step % (ids.shape[1] - 2)
        masked = ids.clone()
        masked[:, position] = tokenizer.mask_token_id
        loss = torch.nn.functional.cross_entropy(
            model(input_ids=masked).logits[:, position], ids[:, position]
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
