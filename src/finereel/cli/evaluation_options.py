"""The options of `evaluate`, and which of them go together."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finereel.cli.output import (
    AnnotationsOption,
    DeviceOption,
    FeaturesOption,
    JsonOption,
    RunNameOption,
    VideosOption,
)

if TYPE_CHECKING:
    from finereel.data.sources import SourceOptions
    from finereel.evaluation.evaluate import BenchmarkSettings
    from finereel.evaluation.scoring import Scoring

OWN = "finereel"
"""The scorer that is a model of this program."""


@dataclass(frozen=True)
class EvaluationOptions:
    """What a person wrote of an evaluation on a command line; every attribute is an option."""

    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="NAME",
            help="The data set; `finereel data check --help` lists the names.",
        ),
    ]
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="DIR_OR_ID",
            help="A model directory, bundled name or hub id; `finereel models` lists the models on "
            "this machine.",
        ),
    ] = None
    scorer: Annotated[
        str,
        typer.Option(
            help="How --model is used: finereel, sentence-transformers, mteb or embeddings."
        ),
    ] = OWN
    scores: Annotated[
        Path | None,
        typer.Option(
            metavar="MATRIX.npy",
            help="Scores of another program instead of --model: captions in rows, videos in columns, "
            "in the order of the split.",
        ),
    ] = None
    annotations: AnnotationsOption = None
    videos: VideosOption = None
    features: FeaturesOption = None
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The split to evaluate on. Default: test, or the only split of the data set.",
        ),
    ] = None
    normalization: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="none; bank, inverted (fitted on training captions and videos); or transductive, "
            "dsl (which see the "
            "other test queries, and say so).",
        ),
    ] = "none"
    temperature: Annotated[
        float | None,
        typer.Option(
            metavar="T",
            help="Temperature of the normalization, applied as given (1 is the published one of "
            "Sinkhorn and DSL) instead of fitted.",
        ),
    ] = None
    strength: Annotated[
        float | None,
        typer.Option(
            metavar="S", help="Strength of the Sinkhorn bias, applied as given (published: 1)."
        ),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder to save the record in: facts, ranks and scores."),
    ] = None
    name: RunNameOption = ""
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder to cache encoded features in, so that another normalization need not encode "
            "again.",
        ),
    ] = None
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Also learn how often the best hit of a search is right, from its scores, and keep "
            "it with the model: `search` then tells it. Take a split that is not tested on.",
        ),
    ] = False
    doubled_right: Annotated[
        bool,
        typer.Option(
            "--doubled-right",
            help="Count a caption as right for every video that has a caption of the same words "
            "(1k-A has such captions, so that a perfect model misses R@1 100).",
        ),
    ] = False
    exact: Annotated[
        bool, typer.Option("--exact", help="Score every pair in single precision (the default).")
    ] = False
    int16: Annotated[
        bool,
        typer.Option("--int16", help="Score patch_word from rounded features; ranks may differ."),
    ] = False
    repaired: Annotated[
        bool,
        typer.Option(
            "--repaired",
            help="As --int16, and exactly wherever a rank could change; a sample of every run must "
            "show the ranks of --exact.",
        ),
    ] = False
    cascade: Annotated[
        str,
        typer.Option(
            metavar="SHARE",
            help="Score patch_word for the best SHARE of every query only, such as 10 (percent), or "
            "auto: chosen on the validation split. Ranks below it come from the other scores.",
        ),
    ] = ""
    device: DeviceOption = "auto"
    as_json: JsonOption = False

    @property
    def where(self) -> "SourceOptions":
        """Where the data set and its clips are."""
        from finereel.data.sources import SourceOptions

        return SourceOptions(
            annotations=self.annotations, videos=self.videos, features=self.features
        )

    @property
    def named_model(self) -> str:
        """The model, where none is left out (see `settings`)."""
        assert self.model is not None
        return self.model

    @property
    def moments(self) -> bool:
        """Whether the data set is one of moments."""
        from finereel.data.moment_files import MOMENT_SETS

        return self.data in MOMENT_SETS

    def settings(self) -> "BenchmarkSettings":
        """What to evaluate and how. Raises typer.BadParameter for options that exclude one
        another.
        """
        from finereel.evaluation.evaluate import BenchmarkSettings

        given = {"temperature": self.temperature, "strength": self.strength}
        settings = BenchmarkSettings(
            split=self.split or "",
            normalization=self.normalization,
            name=self.name,
            cache=self.cache,
            reload_verified=True,
            doubled_right=self.doubled_right,
            fixed={name: value for name, value in given.items() if value is not None},
            scoring=self._scoring(),
        )
        self._check(settings)
        return settings

    def _check(self, settings: "BenchmarkSettings") -> None:
        plain = self.normalization == "none"
        for wrong, message in (
            (
                settings.fixed and plain,
                "--temperature and --strength are settings of a --normalization",
            ),
            (
                self.calibrate and (not plain or self.moments),
                "--calibrate needs the plain scores of retrieval",
            ),
            (
                settings.scoring.kind != "exact"
                and (self.scorer != OWN or self.calibrate or not plain or self.moments),
                "--int16, --repaired and --cascade measure plain retrieval of a finereel model, "
                "without --normalization and --calibrate",
            ),
            (
                self.scorer != OWN and self._more_than_scores(),
                f"--scorer {self.scorer} measures plain retrieval, without --normalization, "
                "--calibrate, --cache and moments",
            ),
            (
                (self.model is None) == (self.scores is None),
                "give either --model or --scores MATRIX.npy",
            ),
            (
                self.scores is not None and (self.scorer != OWN or self._more_than_scores()),
                "--scores are measured as they are, with --data and --split",
            ),
            (self.moments and not plain, "moments are measured without a normalization"),
        ):
            if wrong:
                raise typer.BadParameter(message)

    def _more_than_scores(self) -> bool:
        """Whether something is asked for that takes a model of this program."""
        return bool(self.normalization != "none" or self.calibrate or self.cache or self.moments)

    def _scoring(self) -> "Scoring":
        """What the four options ask for; they exclude one another."""
        from finereel.evaluation.scoring import Scoring

        flags = {"exact": self.exact, "int16": self.int16, "repaired": self.repaired}
        asked = [name for name, given in flags.items() if given] + ["cascade"] * bool(self.cascade)
        if len(asked) > 1:
            raise typer.BadParameter(f"--{asked[0]} and --{asked[1]} exclude each other")
        if not self.cascade or self.cascade == "auto":
            return Scoring(asked[0] if asked else "exact")
        try:
            return Scoring("cascade", float(self.cascade.removesuffix("%")) / 100)
        except ValueError as error:
            raise typer.BadParameter(
                f"--cascade takes a percentage such as 10, or auto; got {self.cascade!r}"
            ) from error
