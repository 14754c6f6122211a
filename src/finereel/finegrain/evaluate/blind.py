"""Score the candidates with text-only baselines, to compare with the model's numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from finereel.data.base import Caption
from finereel.errors import DataError
from finereel.finegrain.blind import blind_scores, remembering
from finereel.finegrain.evaluate.groups import Group, label_of
from finereel.finegrain.types import Negative


@dataclass(frozen=True)
class Baseline:
    """Scores of 1 + n texts, the true caption first, by caption id and part of speech; and how they
    were made.
    """

    scores: Mapping[tuple[str, str], Float64[np.ndarray, " K"]]
    how: str

    def of(self, groups: Sequence[Group]) -> Float64[np.ndarray, " N"]:
        """All candidates of all groups. Raises DataError for a group that has none, or not
        as many.
        """
        rows = [self.scores.get((group.caption_id, group.pos), np.empty(0)) for group in groups]
        for group, row in zip(groups, rows, strict=True):
            if len(row) != 1 + len(group.negatives):
                raise DataError(
                    f"the baseline has {len(row)} scores for the {group.pos} group of "
                    f"{group.caption_id!r}"
                )
        return np.concatenate(rows)


def blind_baselines(
    rows: Sequence[Negative], captions: Sequence[Caption] = (), names: Sequence[str] = ("trigram",)
) -> dict[str, Baseline]:
    """Baselines by scorers of `finereel.finegrain.blind.SCORERS`, each learned from other videos
    than it judges.

    captions: of the whole collection; without them the captions of `rows` are all there is to learn
    from, in five folds by video. Raises ConfigError for an unknown name.
    """
    by_pos: dict[str, list[Negative]] = {}
    for row in rows:
        by_pos.setdefault(label_of(row), []).append(row)
    tables: dict[str, dict[tuple[str, str], list[float]]] = {name: {} for name in names}
    train = remembering()
    for pos, some in by_pos.items():
        for name, scored in blind_scores(some, captions, names, train).items():
            pairs = zip(some, scored.positive.tolist(), scored.negative.tolist(), strict=True)
            for row, positive, negative in pairs:
                tables[name].setdefault((row.caption_id, pos), [positive]).append(negative)
    count = len(captions) or len({row.caption_id for row in rows})
    how = f"without video, from other videos' captions among {count}"
    return {
        name: Baseline({key: np.array(scores) for key, scores in table.items()}, f"{name}, {how}")
        for name, table in tables.items()
    }
