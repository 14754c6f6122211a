"""An answer as JSON: what each version holds, and that it can be written."""

import json

from finereel.index.as_json import answer_as_json, hits_as_json
from finereel.index.query import Answer, Query
from finereel.types import Hit, MatchConfidence

HIT = Hit(
    "/v/a.mp4",
    *(1.0, 2.5, 0.5, {"video_sentence": 0.5}, 1.2, "c0"),
    thumbnail=b"jpeg",
    window=(0.0, 10.0),
    moments=((1.0, 2.5),),
    source="both",
    said="good morning",
)


def test_version_2_holds_the_clip_the_moment_and_the_confidence() -> None:
    answer = Answer(Query("a dog"), MatchConfidence(3 / 401, 400, 0.8, "feedback"), [HIT])
    told = json.loads(json.dumps(answer_as_json(answer)))
    assert told["query"] == "a dog"
    assert told["said"] == 1
    assert told["confidence"] == {
        **{"level": "strong", "p": 3 / 401, "stronger_than": 99},
        **{"right": 0.8, "right_by": "feedback"},
    }
    (hit,) = told["hits"]
    assert (hit["start"], hit["end"], hit["window"]) == (1.0, 2.5, [0.0, 10.0])
    assert hit["said"] == "good morning"
    assert "thumbnail" not in hit


def test_version_1_stays_what_it_was() -> None:
    (hit,) = hits_as_json(Answer(Query("a dog"), None, [HIT]))
    assert list(hit) == [
        *("video", "start", "end", "score", "parts", "best_frame", "clip_id", "copies")
    ]
