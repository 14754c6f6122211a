"""Scorers for the models of MTEB: its `encode` as an object with `encode`, for texts and pictures.

A clip's vector is the mean of its frames' unit vectors, as with every encoder of pictures here, and
a score is the cosine. MTEB's models that take videos alone get nothing from frames, so they are
refused.
"""

from typing import Any

from finereel.errors import ModelError, missing_extra
from finereel.finegrain.evaluate.embeddings import CosineScorer, EncodedVectors
from finereel.finegrain.evaluate.scorer import ClipNeeds, Opening

_BATCH = 32


class MtebEncoder:
    """A model of MTEB as `finereel.finegrain.evaluate.embeddings.Encode`.

    Args:
        model: What `mteb.get_model` returns, or any object with MTEB's `encode`.

    Raises:
        ModelError: If the model says that it takes no pictures.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._meta = model.mteb_model_meta
        if not {"text", "image"} <= set(self._meta.modalities):
            raise ModelError(
                f"{self._meta.name} of MTEB takes {', '.join(self._meta.modalities)}: expected a "
                "model of texts and pictures"
            )

    @property
    def name(self) -> str:
        """The model's name and revision."""
        revision = self._meta.revision
        return f"{self._meta.name}@{revision[:12]}" if revision else str(self._meta.name)

    def encode(self, inputs: list[Any]) -> Any:
        """One vector for each text, as a query, or for each PIL picture, as a document."""
        from datasets import Dataset
        from mteb.types import PromptType
        from torch.utils.data import DataLoader

        texts = isinstance(inputs[0], str)
        table = Dataset.from_dict({"text" if texts else "image": inputs})
        return self._model.encode(
            DataLoader(table, batch_size=_BATCH, collate_fn=_columns),
            task_metadata=_task_metadata(),
            hf_split="test",
            hf_subset="default",
            prompt_type=PromptType.query if texts else PromptType.document,
            batch_size=_BATCH,
            show_progress_bar=False,
        )


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _task_metadata() -> Any:
    """What MTEB's models choose their prompts by: texts ask for pictures."""
    from mteb.abstasks.task_metadata import TaskMetadata

    return TaskMetadata(
        dataset={"path": "finereel", "revision": "none"},
        name="FinereelFrames",
        description="Captions and frames of videos.",
        type="Any2AnyRetrieval",
        category="t2i",
        modalities=["text", "image"],
        eval_langs=["eng-Latn"],
        main_score="ndcg_at_10",
    )


def open_mteb(model: str, opening: Opening) -> CosineScorer:
    """The model of MTEB called `model`, such as `openai/clip-vit-base-patch32`."""
    try:
        import mteb
    except ImportError as error:
        raise missing_extra("the scorer mteb", "mteb") from error
    try:
        encoder = MtebEncoder(mteb.get_model(model, device=opening.device))
    except (KeyError, OSError, NotImplementedError, ImportError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"MTEB cannot load {model!r} ({reason}); mteb.get_model_metas() lists the models it knows"
        ) from error
    needs = ClipNeeds(num_frames=12)
    return CosineScorer(
        EncodedVectors(encoder, opening.clips(needs), encoder.name, needs.num_frames)
    )
