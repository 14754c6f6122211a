"""Say where the processor's time goes while a video is decoded: packets, conversion, the rest.

    python research/benchmarks/decode_speed.py --frames 6 12 --modes auto exact --video holiday.mp4

Everything runs in this process, without the decoding child. Printed per video, mode and number of
frames per clip, in seconds of the processor per ten seconds of video: the whole, the decoder, and
the conversion to upright RGB; with how many pictures per ten seconds were decoded and converted.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from finereel.video import decode
from finereel.video.clips import ClipReader
from finereel.video.decode import Source
from finereel.video.plan import ClipPlan, Limits


def timed(
    spent: Counter[str], part: str, function: Callable[..., Any], many: bool
) -> Callable[..., Any]:
    """The function, with its processor time and its results counted."""

    def counted(*given: Any) -> Any:
        began = time.process_time()
        result = function(*given)
        spent[part] += time.process_time() - began  # type: ignore[assignment]
        spent[f"{part} pictures"] += len(result) if many else 1
        return result

    return counted


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, nargs="+", default=[6, 12])
    parser.add_argument("--modes", nargs="+", default=["auto"])
    parser.add_argument("--video", type=Path, nargs="+", required=True)
    given = parser.parse_args()
    spent: Counter[str] = Counter()
    Source._decoded = timed(spent, "decoder", Source._decoded, True)  # type: ignore[method-assign]
    decode.upright_rgb = timed(spent, "conversion", decode.upright_rgb, False)
    for video in given.video:
        for mode in given.modes:
            for frames in given.frames:
                spent.clear()
                began = time.process_time()
                source = Source(video, Limits())
                reader = ClipReader(source, ClipPlan(num_frames=frames, mode=mode))
                for _ in reader:
                    pass
                spent["whole"] = time.process_time() - began  # type: ignore[assignment]
                tens = source.duration / 10
                source.close()
                made = {"video": video.name, "mode": mode, "read": reader.mode, "frames": frames}
                parts = {part: round(amount / tens, 3) for part, amount in sorted(spent.items())}
                print(json.dumps(made | parts), flush=True)


if __name__ == "__main__":
    main()
