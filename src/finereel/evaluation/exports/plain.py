"""Records as JSON: all facts and metrics, without ranks and scores."""

import json
from collections.abc import Sequence

from finereel.evaluation.record import RunRecord
from finereel.evaluation.record_files import described_record


def to_json(records: Sequence[RunRecord]) -> str:
    """A list with one object per record."""
    return json.dumps([described_record(record) for record in records], indent=2) + "\n"
