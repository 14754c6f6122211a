"""`reelworld`: write rendered videos whose captions are true by construction."""

from pathlib import Path
from typing import Annotated

import typer


def reelworld(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new or empty folder.")],
    clips: Annotated[
        int,
        typer.Option(
            "--clips",
            min=1,
            help="Number of scenes to render; each comes with twins that differ in one word.",
        ),
    ] = 100,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Random seed; the same seed gives the same videos.")
    ] = 0,
    split: Annotated[
        str, typer.Option("--split", help="train, val, test_seen or test (unseen combinations).")
    ] = "train",
) -> None:
    """Render ReelWorld clips, their captions and their counterfactual twins into OUT.

    OUT/captions.jsonl has one line per clip with its video, its caption and its twins. A twin has a
    part of speech, the caption with one word changed, and the video in which the changed caption is
    true.
    """
    render(out, clips, seed, split)
    typer.echo(
        f"{clips} clips and their twins in {out}; captions in {out / 'captions.jsonl'}", err=True
    )


def render(out: Path, clips: int, seed: int, split: str) -> None:
    """Write a ReelWorld folder (`finereel.reelworld.export`) with its progress on stderr."""
    from finereel.cli.progress import bar
    from finereel.reelworld.export import write

    with bar() as progress:
        task = progress.add_task("rendering", total=clips, note="")

        def draw(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        write(out, clips, seed, split, progress=draw)
