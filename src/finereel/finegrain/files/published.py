"""SugarCrepe, SugarCrepe++, ARO, VITATECS and VELOCITI: the fields that hold the video, the caption
and the negative.

SugarCrepe (arXiv 2306.14610): an object of records per category, the category being the name of the
file. SugarCrepe++ (2406.11171): a list with a second true caption, `caption2`, which is kept under
`extra`. ARO (2210.01936): a list with a box in an image and a relation or attributes. VITATECS
(2311.17404): JSONL over MSR-VTT and VATEX. VELOCITI (2406.10889): rows of its published table,
saved as JSONL, JSON or CSV.
"""

from finereel.finegrain.files.base import Format
from finereel.finegrain.files.records import RecordForm

FORMS = (
    RecordForm(
        "sugarcrepe",
        "object",
        video="filename",
        caption="caption",
        negative="negative_caption",
        order=("filename", "caption", "negative_caption"),
    ),
    RecordForm(
        "sugarcrepe_pp",
        "list",
        video="filename",
        caption="caption",
        negative="negative_caption",
        order=("id", "filename", "caption", "caption2", "negative_caption"),
        others={"caption2": ""},
        marks=("filename", "caption", "caption2", "negative_caption"),
    ),
    RecordForm(
        "aro",
        "list",
        video="image_path",
        caption="true_caption",
        negative="false_caption",
        order=(
            "image_id",
            "image_path",
            "bbox_x",
            "bbox_y",
            "bbox_w",
            "bbox_h",
            "true_caption",
            "false_caption",
        ),
    ),
    RecordForm(
        "vitatecs",
        "lines",
        video="video_name",
        caption="caption",
        negative="counterfactual",
        method="aspect",
        cut=".mp4",
        order=("src_dataset", "video_name", "caption", "counterfactual", "aspect"),
        others={"src_dataset": ""},
    ),
    RecordForm(
        "velociti",
        "rows",
        video="video_id",
        caption="pos",
        negative="neg",
        method="test_name",
        order=("video_id", "test_name", "event", "pos", "neg", "in_subset"),
        marks=("video_id", "test_name", "pos", "neg"),
    ),
)
FORMATS: dict[str, Format] = {form.name: form.format() for form in FORMS}
