"""Find the place in a clip that shows a word: a box in the frame where the word fits best.

The map of a word is the cosine of its vector with every patch of a frame, in the space of the
patch-word score. A box is given only if the score needs that place: hiding the best patches has to
cost more than hiding as many patches anywhere else. Maps of whole sentences are never used, because
they point at the background.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from finereel.errors import ModelError
from finereel.index.evidence import WordEvidence
from finereel.models.features import TextFeatures, VideoFeatures
from finereel.models.retrieval import RetrievalModel
from finereel.types import Frames

HIDDEN_SHARE = 0.12
"""Share of a frame's patches that are hidden to test a map."""
RANDOM_MASKS = 9
"""Random masks that a map has to beat. With five a map of noise passes once in six times."""
WITHIN = 0.6
"""Patches from this share of a map's range on belong to the place of its maximum."""
_PARTS = ("noun", "adjective", "verb")
NO_PATCHES = (
    "this model compares no words with image patches, so no place in the picture can be named"
)
NO_PLACE = "no place found"


@dataclass(frozen=True)
class Box:
    """A rectangle of a picture, in shares of its width and height from the upper left corner."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class WordPlace:
    """Where a clip shows a word.

    Attributes:
        word: The word as it was typed.
        frame: Number of the frame, from 0.
        seconds: Time of the frame.
        box: The place in the picture that was decoded.
        cost: What hiding the place takes from the score.
        random_cost: The most that hiding random patches took.
    """

    word: str
    frame: int
    seconds: float
    box: Box
    cost: float
    random_cost: float


def refusal(model: object) -> str:
    """Why a model cannot name places; empty if it can."""
    if not isinstance(model, RetrievalModel) or not model.encoder.takes_pixels:
        return NO_PATCHES
    trained = model.card.get("trained", True) and "patch_word" not in model.card.get(
        "untrained", ()
    )
    if not (trained and model.head.weights.get("patch_word")):
        return NO_PATCHES
    side = isqrt(model.encoder.tokens_per_frame - 1)
    return "" if side and side * side == model.encoder.tokens_per_frame - 1 else NO_PATCHES


class ClipView:
    """A clip as a model sees it, patch by patch, with parts of it hidden.

    Args:
        model: A model with a trained patch-word score.
        clip: The decoded frames.

    Raises:
        ModelError: If the model cannot name places.
    """

    def __init__(self, model: RetrievalModel, clip: Frames) -> None:
        if why := refusal(model):
            raise ModelError(f"{model.name}: {why}; take a model whose head has patch_word")
        self.model = model
        self.shown = clip.thinned(model.num_frames)
        self.side = isqrt(model.encoder.tokens_per_frame - 1)
        with torch.no_grad():
            self._pixels, self._mask = model.eval().clip_input(clip)
            self._tokens = model.encoder.encode_frames(self._pixels, self._mask)

    @property
    def count(self) -> int:
        """Number of real frames."""
        return len(self.shown)

    @torch.no_grad()
    def maps(self, query: str, spans: Sequence[tuple[int, int]]) -> Float[Tensor, "K F N"]:
        """The map of each word over all patches of all real frames.

        Args:
            query: The query.
            spans: First character and character after the last of K words.

        Returns:
            (K, F, N) cosines; minus one for a word that the model does not read.
        """
        model = self.model
        assert model.tokenizer is not None
        text = model.encode_text([query])
        pieces = model.tokenizer.encode([query], model.config.max_words).spans[0]
        found = torch.full((len(spans), self.count, self.side**2), -1.0)
        patches = self._prepared_patches()
        for row, (start, end) in enumerate(spans):
            own = (pieces[:, 0] < end) & (pieces[:, 1] > start) & (pieces[:, 1] > pieces[:, 0])
            if own.any():
                vector = text.words[:, torch.from_numpy(own)].mean(1, keepdim=True)
                word = TextFeatures(text.sentence, vector, text.word_mask[:, :1] | True)
                found[row] = patches @ model.head.prepare_text(word).words[0, 0]
        return found

    def _prepared_patches(self) -> Float[Tensor, "F N D"]:
        every = self._tokens[:, : self.count, 1:].flatten(1, 2)
        whole = self.model.features_of_tokens(self._tokens, self._mask)
        mask = torch.ones(every.shape[:2], dtype=torch.bool, device=every.device)
        video = VideoFeatures(whole.video, whole.frames, every, whole.frame_mask, mask)
        prepared = self.model.head.prepare_video(video).patches[0]
        return prepared.view(self.count, -1, prepared.shape[-1])

    @torch.no_grad()
    def score(
        self, text: TextFeatures, hidden: Bool[Tensor, "F N"] | None = None
    ) -> Float[Tensor, " T"]:
        """Score texts against the clip with some patches hidden.

        Only frames that change are encoded again, unless frames see one another in the encoder.

        Args:
            text: Features of T texts.
            hidden: (F, N), True on patches to be replaced by the mean colour of their frame.

        Returns:
            The fused score of each text.
        """
        tokens = self._tokens
        if hidden is not None and bool(hidden.any()):
            tokens = self._encoded(hidden)
        return self.model.score(text, self.model.features_of_tokens(tokens, self._mask)).fused[:, 0]

    def _encoded(self, hidden: Tensor) -> Tensor:
        pixels, encoder = self._pixels.clone(), self.model.encoder
        size = pixels.shape[-1]
        edges = [round(place * size / self.side) for place in range(self.side + 1)]
        for frame, patch in hidden.nonzero().tolist():
            row, column = divmod(patch, self.side)
            mean = self._pixels[0, frame].mean(dim=(1, 2))[:, None, None]
            rows = slice(edges[row], edges[row + 1])
            pixels[0, frame, :, rows, edges[column] : edges[column + 1]] = mean
        if encoder.shifts_tokens:
            return encoder.encode_frames(pixels, self._mask)
        changed = hidden.any(1).nonzero()[:, 0]
        tokens = self._tokens.clone()
        alone = torch.ones(len(changed), 1, dtype=torch.bool, device=pixels.device)
        tokens[0, changed] = encoder.encode_frames(pixels[0, changed][:, None], alone)[:, 0]
        return tokens


@torch.no_grad()
def find_places(
    model: object, query: str, clip: Frames, words: Sequence[WordEvidence]
) -> tuple[tuple[WordPlace, ...], str]:
    """Find the places of the words of a query in a clip.

    Args:
        model: The model.
        query: The query.
        clip: The decoded frames.
        words: The words with their verdicts; contradicted ones have no place.

    Returns:
        The places that passed the test, and why there are none (empty if there are).
    """
    if why := refusal(model):
        return (), why
    assert isinstance(model, RetrievalModel)
    asked = [word for word in words if word.pos in _PARTS and word.verdict != "contradicted"]
    if not asked:
        return (), NO_PLACE
    view, text = ClipView(model, clip), model.encode_text([query])
    maps = view.maps(query, [(word.start, word.end) for word in asked])
    found = []
    for word, over_frames in zip(asked, maps, strict=True):
        frame = int(over_frames.amax(1).argmax())
        place = place_of(view, text, frame, over_frames[frame], word.word)
        found += [place] if place is not None else []
    return tuple(found), "" if found else NO_PLACE


def place_of(
    view: ClipView, text: TextFeatures, frame: int, values: Float[Tensor, " N"], word: str
) -> WordPlace | None:
    """Test the map of a word in one frame.

    Args:
        view: The clip.
        text: Features of the query (T = 1).
        frame: Number of the frame.
        values: The map over its N patches.
        word: The word, for the result and the random masks.

    Returns:
        The place; None where hiding the best patches costs no more than hiding random ones.
    """
    if not bool(torch.isfinite(values).all()) or float(values.amax() - values.amin()) <= 0:
        return None
    count = max(1, round(HIDDEN_SHARE * len(values)))
    whole = float(view.score(text))

    def cost(patches: Tensor) -> float:
        hidden = torch.zeros(view.count, len(values), dtype=torch.bool)
        hidden[frame, patches] = True
        return whole - float(view.score(text, hidden))

    own = cost(values.topk(count).indices)
    if own <= 0:
        return None
    seed = hashlib.blake2b(f"{word} {frame}".encode(errors="replace"), digest_size=7).digest()
    chance = torch.Generator().manual_seed(int.from_bytes(seed, "big"))
    most = -float("inf")
    for _ in range(RANDOM_MASKS):
        most = max(most, cost(torch.randperm(len(values), generator=chance)[:count]))
        if own <= most:
            return None
    height, width = view.shown.pixels.shape[1:3]
    box = in_picture(view.model, box_of(values, view.side), height, width)
    return WordPlace(word, frame, float(view.shown.seconds[frame]), box, own, most)


def box_of(values: Float[Tensor, " N"], side: int) -> Box:
    """The rectangle around the maximum of a map and all patches joined to it that are high.

    Args:
        values: The map over side x side patches.
        side: Patches in a row.

    Returns:
        The box in shares of the model's square.

    Example:
        >>> box_of(torch.tensor([0.0, 0.9, 0.0, 1.0]), 2)
        Box(left=0.0, top=0.0, right=1.0, bottom=1.0)
        >>> box_of(torch.tensor([0.0, 0.1, 0.0, 1.0]), 2)
        Box(left=0.5, top=0.5, right=1.0, bottom=1.0)
    """
    grid = values.view(side, side)
    low, high = float(grid.amin()), float(grid.amax())
    over = (grid >= low + WITHIN * (high - low)).tolist()
    waiting = [divmod(int(values.argmax()), side)]
    reached = set(waiting)
    while waiting:
        row, column = waiting.pop()
        around = [(row + y, column + x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
        for at in around:
            if at not in reached and min(at) >= 0 and max(at) < side and over[at[0]][at[1]]:
                reached.add(at)
                waiting.append(at)
    rows, columns = zip(*reached, strict=True)
    edges = (min(columns), min(rows), max(columns) + 1, max(rows) + 1)
    return Box(*(edge / side for edge in edges))


def in_picture(model: RetrievalModel, box: Box, height: int, width: int) -> Box:
    """A box of the model's square as one of the decoded picture, of which it sees the middle or
    all.
    """
    settings = model.encoder.preprocessing
    seen = 1.0
    if settings is not None:
        if not isinstance(settings.resize, int):
            return box
        seen = min(1.0, settings.size / settings.resize)
    side = min(height, width) * seen
    left, top = (width - side) / 2, (height - side) / 2
    return Box(
        (left + box.left * side) / width,
        (top + box.top * side) / height,
        (left + box.right * side) / width,
        (top + box.bottom * side) / height,
    )


def picture_of(clip: Frames, frame: int) -> UInt8[np.ndarray, "H W 3"]:
    """The decoded picture of a frame."""
    picture: UInt8[np.ndarray, "H W 3"] = clip.pixels[frame]
    return picture
