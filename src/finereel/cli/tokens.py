"""`data tokens`: the vision tower's tokens of every clip of a data set, so that training need not
run it again.
"""

from pathlib import Path
from typing import Annotated

import typer


def tokens(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A data set, as `finereel data check` knows them.")
    ],
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="The folder of tokens; the same call goes on with it."),
    ],
    model: Annotated[str, typer.Option("--model", metavar="DIR_OR_ID", help="A CLIP model.")],
    annotations: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Its annotation files.")
    ] = None,
    videos: Annotated[Path | None, typer.Option(metavar="DIR", help="Its videos.")] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Frames per clip; the model's where not given.")
    ] = None,
) -> None:
    """Encode every readable clip of a data set and keep its frame and patch tokens.

    Train with a frozen vision tower from then on, minutes instead of hours on a CPU, with the same
    --model:

    finereel train --recipe NAME --model DIR_OR_ID --features OUT --out RUN
    """
    from finereel.cli.progress import StageBars
    from finereel.data import load as load_dataset
    from finereel.data.sources import SourceOptions, open_source
    from finereel.data.token_cache import cache_tokens
    from finereel.errors import ModelError
    from finereel.models.encoders.clip import ClipEncoder
    from finereel.models.saving import load as load_model

    towers = load_model(model)
    if not isinstance(towers.encoder, ClipEncoder):
        raise ModelError(
            f"model {model} takes precomputed tokens: give the CLIP model that is to make them"
        )
    data = load_dataset(name, annotations)
    wanted = list(dict.fromkeys(video for split in data.splits.values() for video in split.videos))
    where = SourceOptions(
        annotations,
        videos,
        num_frames=frames or towers.num_frames,
        image_size=towers.encoder.image_size,
        preprocessing=towers.encoder.stated.preprocessing,
    )
    with StageBars() as progress:
        source = open_source(name, where, progress)
        problems = source.problems(wanted)
        readable = [video for video in wanted if video not in problems]
        cache_tokens(towers, readable, source, out, progress)
    typer.echo(
        f"tokens of {len(readable)} clips in {out}; {len(problems)} could not be read", err=True
    )
