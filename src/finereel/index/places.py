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
from finereel.index.evidence import PICTURED, WordEvidence
from finereel.models.features import TextFeatures, VideoFeatures
from finereel.models.retrieval import RetrievalModel
from finereel.types import Frames

HIDDEN_SHARE = 0.12
"""Share of a frame's patches that are hidden to test a map."""
RANDOM_MASKS = 9
"""Random masks that a map has to beat. With five a map of noise passes once in six times."""
WITHIN = 0.6
"""Patches from this share of a map's range on belong to the place of its maximum."""
_MASKS_AT_ONCE = 8
_MASKS_FIRST = 4
"""Masks of a place that are scored before the others: most maps of noise fail among them."""
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

    def score(
        self, text: TextFeatures, hidden: Bool[Tensor, "F N"] | None = None
    ) -> Float[Tensor, " T"]:
        """Score texts against the clip with some patches hidden.

        Args:
            text: Features of T texts.
            hidden: (F, N), True on patches to be replaced by the mean colour of their frame; None
                hides none.

        Returns:
            The fused score of each text.
        """
        if hidden is None:
            hidden = torch.zeros(self.count, self.side**2, dtype=torch.bool)
        return self.scores(text, hidden[None])[0]

    @torch.no_grad()
    def scores(self, text: TextFeatures, hidden: Bool[Tensor, "M F N"]) -> Float[Tensor, "M T"]:
        """Score texts against the clip under several masks, encoded together.

        Only frames that change are encoded again, unless frames see one another in the encoder.

        Args:
            text: Features of T texts.
            hidden: (M, F, N), for each mask True on patches to be replaced by the mean colour of
                their frame.

        Returns:
            The fused score of each text under each mask.
        """
        rows = []
        for start in range(0, len(hidden), _MASKS_AT_ONCE):
            masks = hidden[start : start + _MASKS_AT_ONCE]
            real = self._mask.expand(len(masks), -1)
            video = self.model.features_of_tokens(self._encoded(masks, real), real)
            rows.append(self.model.score(text, video).fused.T)
        return torch.cat(rows)

    def _encoded(self, hidden: Tensor, real: Tensor) -> Tensor:
        """(M, F, N + 1, D) tokens under M masks."""
        encoder, pixels = self.model.encoder, self._pixels
        tokens = self._tokens.repeat(len(hidden), 1, 1, 1)
        mask, frame = hidden.any(2).to(pixels.device).nonzero(as_tuple=True)
        if not len(mask):
            return tokens
        size = pixels.shape[-1]
        edges = [round(place * size / self.side) for place in range(1, self.side)]
        cell = torch.bucketize(torch.arange(size), torch.tensor(edges), right=True)
        grid = hidden.view(*hidden.shape[:2], self.side, self.side)[:, :, cell][..., cell]
        covered = grid.to(pixels.device)[mask, frame, None]
        shown = pixels[0, frame]
        pictures = torch.where(covered, shown.mean(dim=(2, 3), keepdim=True), shown)
        if encoder.shifts_tokens:
            clips = pixels.repeat(len(hidden), 1, 1, 1, 1)
            clips[mask, frame] = pictures
            changed = hidden.flatten(1).any(1).to(pixels.device)
            tokens[changed] = encoder.encode_frames(clips[changed], real[changed])
        else:
            alone = torch.ones(len(mask), 1, dtype=torch.bool, device=pixels.device)
            tokens[mask, frame] = encoder.encode_frames(pictures[:, None], alone)[:, 0]
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
        words: The words with their verdicts. Contradicted ones have no place, nor have those without
            which the clip would score higher.

    Returns:
        The places that passed the test, and why there are none (empty if there are).
    """
    if why := refusal(model):
        return (), why
    assert isinstance(model, RetrievalModel)
    asked = [word for word in words if word.pos in PICTURED and _bears(word)]
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


def _bears(word: WordEvidence) -> bool:
    """Whether a word adds to the score of a clip that does not contradict it."""
    return word.verdict != "contradicted" and (word.drop is None or word.drop > 0)


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
    seed = hashlib.blake2b(f"{word} {frame}".encode(errors="replace"), digest_size=7).digest()
    chance = np.random.default_rng(int.from_bytes(seed, "big"))
    drawn = [chance.permutation(len(values))[:count] for _ in range(RANDOM_MASKS)]
    hidden = torch.zeros(1 + RANDOM_MASKS, view.count, len(values), dtype=torch.bool)
    for row, patches in enumerate((values.topk(count).indices, *map(torch.from_numpy, drawn))):
        hidden[row, frame, patches] = True
    whole, costs = float(view.score(text)), list[float]()
    for masks in (hidden[:_MASKS_FIRST], hidden[_MASKS_FIRST:]):
        costs += (whole - view.scores(text, masks)[:, 0]).tolist()
        if costs[0] <= max(0.0, *costs[1:]):
            return None
    own, most = costs[0], max(costs[1:])
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
        Box(left=0.5, top=0.0, right=1.0, bottom=1.0)
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
