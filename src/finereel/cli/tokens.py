"""`data tokens`: precompute the vision tower's tokens of every clip of a data set."""

from pathlib import Path
from typing import Annotated

import typer


def tokens(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="The data set; `finereel data check --help` lists the names."
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="Folder to write the tokens to; the same command continues a stopped run.",
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="DIR_OR_ID",
            help="The CLIP model whose vision tower computes the tokens.",
        ),
    ],
    annotations: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Annotation files of the data set.")
    ] = None,
    videos: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Videos of the data set.")
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(min=1, help="Frames per clip; default: as many as the model takes."),
    ] = None,
) -> None:
    """Encode every readable clip of a data set and save its frame and patch tokens.

    Training on saved tokens keeps the vision tower frozen and takes minutes instead of hours on a
    CPU. Use the same --model:

    finereel train --recipe NAME --model DIR_OR_ID --features OUT --out RUN
    """
    from finereel.cli.progress import StageBars
    from finereel.data import load as load_dataset
    from finereel.data.sources import SourceOptions, open_source
    from finereel.data.token_cache import cache_tokens
    from finereel.errors import ModelError
    from finereel.models.encoders.clip import ClipEncoder
    from finereel.models.retrieval import load as load_model

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
