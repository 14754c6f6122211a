"""Answer a question about one video: its possible answers become statements, which are ranked like
captions.

A model always prefers one of the answers. How far the first one leads the second has no meaning by
itself, so it is compared with the same lead on other clips of the library: a statement that a model
likes everywhere leads everywhere.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from finereel.errors import QueryError
from finereel.index.differing import cannot_tell
from finereel.index.protocols import SearchModel
from finereel.index.search import rank_captions, reading_of
from finereel.index.similar import Look
from finereel.index.snapshot import Snapshot
from finereel.models.features import TextFeatures
from finereel.text.query import checked_query
from finereel.text.statements import Form, Statement, options_of, statements
from finereel.types import STRONG, MatchConfidence

OTHER_CLIPS = 200
"""Other clips on which the lead of the first answer is looked at; smaller libraries give theirs."""
FEWEST_CLIPS = math.ceil(1 / STRONG) - 1
"""With fewer other clips no lead can be clear, so nothing is said of confidence."""


@dataclass(frozen=True)
class LeadConfidence:
    """How clearly the first answer leads the second, compared with other clips of the library.

    It is no probability that the answer is right. Where many other clips show what the first answer
    says, it is too low.

    Attributes:
        p: Share of the other clips on which the first answer leads the second by at least as much,
            counted with the video itself: (1 + number of these) / (1 + number of clips).
        clips: Number of other clips.

    Example:
        >>> sure = LeadConfidence(p=3 / 201, clips=200)
        >>> sure.level, sure.more_than
        ('strong', 99)
    """

    p: float
    clips: int

    @property
    def level(self) -> str:
        """`strong` up to p = 0.05, `possible` up to 0.20, else `none`, as of a search."""
        return MatchConfidence(self.p, self.clips).level

    @property
    def more_than(self) -> int:
        """Whole percent of the other clips on which the lead is smaller, rounded down."""
        return MatchConfidence(self.p, self.clips).stronger_than


@dataclass(frozen=True)
class RankedOption:
    """A possible answer.

    Attributes:
        option: The answer as it was given.
        statement: What was compared with the video.
        form: How the statement was made: `rewritten` from the question, `given` where the answer is
            a statement itself, `joined` where the question stands before the answer.
        score: How well the statement fits the video.
        share: exp(score) over the sum of these: how a model divides the video among these answers.
            No probability of being right: it always adds up to 1, also where all answers are wrong.
        parts: Score of each granularity.
    """

    option: str
    statement: str
    form: Form
    score: float
    share: float
    parts: dict[str, float]


@dataclass(frozen=True)
class QuestionAnswer:
    """What a library answers to a question about a video.

    Attributes:
        video: Path of the video.
        question: The question.
        answers: Its possible answers, best first.
        confidence: How clearly the first one leads; None where the library has too few other clips.
    """

    video: str
    question: str
    answers: tuple[RankedOption, ...]
    confidence: LeadConfidence | None


@dataclass(frozen=True)
class PossibleAnswers:
    """A question and the statements of its possible answers.

    Raises:
        QueryError: If there are fewer than two, or two of them are the same statement.
    """

    question: str
    statements: tuple[Statement, ...]

    def __post_init__(self) -> None:
        texts = [statement.text for statement in self.statements]
        if not texts:
            raise QueryError(
                f"the question {self.question!r} names no answers: give some (on the command line "
                "--options A,B or --option A --option B)"
            )
        if len(texts) < 2:
            raise QueryError(f"a question needs two or more answers, got only {texts[0]!r}")
        twice = next((text for text in texts if texts.count(text) > 1), None)
        if twice is not None:
            raise QueryError(f"the answers of a question differ, got {twice!r} twice")

    @classmethod
    def of(cls, question: str, options: Sequence[str]) -> "PossibleAnswers":
        """options: the possible answers; where there are none, those that the question names."""
        if isinstance(options, str):
            raise QueryError(f"options are a list of texts, got the text {options!r}")
        checked_query(question)
        found = statements(question, [checked_query(o) for o in options] or options_of(question))
        for statement in found:
            checked_query(statement.text)
        return cls(question, found)

    @property
    def texts(self) -> list[str]:
        """What is compared with the video, in the order of the answers."""
        return [statement.text for statement in self.statements]

    def notes(self, model: SearchModel) -> list[str]:
        """What a person should know of how the statements are made and read."""
        notes = []
        if any(statement.form == "joined" for statement in self.statements):
            example = next(s.text for s in self.statements if s.form == "joined")
            notes.append(
                "the question is of no kind that is turned into a statement, so it stands before "
                f'the answer ("{example}"); give whole statements as answers'
            )
        if any(statement.denied for statement in self.statements):
            notes.append(
                'models hardly understand "not", so "no" is hardly told from "yes"; name what '
                "happens instead as an answer"
            )
        for text in self.texts:
            notes += replace(reading_of(model, text), negated="", sentences=1).notes()
        notes += cannot_tell(model, self.texts[0], self.texts[1:])
        return list(dict.fromkeys(notes))


def answer_question(
    snapshot: Snapshot, model: SearchModel, look: Look, path: str, asked: PossibleAnswers
) -> QuestionAnswer:
    """Rank the possible answers to a question about a video.

    Args:
        snapshot: One state of a library, for other clips to compare with.
        model: The model of the library.
        look: The features of the video.
        path: Path of the video.
        asked: The question.

    Returns:
        The answers, and how clearly the first one leads.
    """
    hits = rank_captions(model, look.features, asked.texts)
    weights = [math.exp(hit.score - hits[0].score) for hit in hits]
    answers = tuple(
        RankedOption(
            asked.statements[hit.index].option,
            hit.caption,
            asked.statements[hit.index].form,
            hit.score,
            weight / sum(weights),
            hit.parts,
        )
        for hit, weight in zip(hits, weights, strict=True)
    )
    first_two = model.encode_text([answer.statement for answer in answers[:2]])
    lead = answers[0].score - answers[1].score
    sure = _confidence(snapshot, model, look, first_two, lead)
    return QuestionAnswer(path, asked.question, answers, sure)


def _confidence(
    snapshot: Snapshot, model: SearchModel, look: Look, first_two: TextFeatures, lead: float
) -> LeadConfidence | None:
    """How the lead of the first of two statements compares with that on other clips."""
    clips = snapshot.take(snapshot.sample(OTHER_CLIPS))
    own = np.isin(clips.rows["video_id"].to_numpy(zero_copy_only=False), look.contents)
    count = int((~own).sum())
    if count < FEWEST_CLIPS:
        return None
    scores = model.score(first_two, clips.features).fused.double().cpu().numpy()[:, ~own]
    above = int((scores[0] - scores[1] >= lead).sum())
    return LeadConfidence((1 + above) / (1 + count), count)
