"""One small file of every form, as its authors write it, and the captions that some of them leave
out.
"""

import json

from finereel.data.base import Caption
from finereel.finegrain.files.base import Known

CAPTIONS = {
    "video7#0": Caption("video7#0", "video7", "a man walks slowly, near an apple"),
    "-b##*##1": Caption("-b##*##1", "-b", "A dog runs away"),
    "yt_1_000002_000012#3": Caption(
        "yt_1_000002_000012#3", "yt_1_000002_000012", "=1+1 <b>quickly</b>"
    ),
}
KNOWN = Known(CAPTIONS)

_NATIVE = [
    {
        "id": "video7#0/adverb/0",
        "video_id": "video7",
        "caption_id": "video7#0",
        "caption": "a man walks slowly, near an apple",
        "negative": "a man walks fast, near an apple",
        "pos": "adverb",
        "start": 12,
        "end": 18,
        "source": "slowly",
        "replacement": "fast",
        "method": "antonym",
        "lemma": "slowly",
        "sense": ["slowly.r.01"],
        "pair": "fast|slowly",
        "scores": {"lm_gap": -1.5},
        "seed": 3,
        "generator": "clean 1",
    },
    {
        "id": "x",
        "video_id": "v",
        "caption_id": "v#0",
        "caption": " =1+1 <b>犬</b> \u202e ",
        "negative": " =1+1 <b>猫</b> \u202e ",
        "pos": "noun",
        "start": 9,
        "end": 10,
        "source": "犬",
        "replacement": "猫",
        "method": "set",
        "extra": {"note": [1, None]},
    },
]
_RELEASED = {
    "video7#0": {"0": "a man walks home, near an apple", "1": "a man walks andthen, near an apple"},
    "-b##*##1": {"0": "A dog runs back"},
    "yt_1_000002_000012#3": {"0": "=1+1 <b>slowly</b>", "7": "=1+1 <b>Quickly</b>"},
}
_THESIS = {
    "video7#0": [
        ["a man walks fast, near an apple", "ADV"],
        ["a dog walks slowly , near an apple", "NOUN"],
    ]
}
_SUGARCREPE = {
    "0": {"filename": "1.jpg", "caption": "A cat. ", "negative_caption": "A dog."},
    "2": {"filename": "1.jpg", "caption": "A cat. ", "negative_caption": "A big cat."},
}
_PP = [
    {
        "id": 5,
        "filename": "1.jpg",
        "caption": "A cat.",
        "caption2": "One cat.",
        "negative_caption": "A dog.",
    }
]
_ARO = [
    {
        "image_id": 9,
        "image_path": "9.jpg",
        "bbox_x": 1,
        "true_caption": "the door to the left of the cat",
        "false_caption": "the cat to the left of the door",
        "relation_name": "to the left of",
    }
]
_VITATECS = {
    "src_dataset": "MSRVTT",
    "video_name": "video7.mp4",
    "caption": "a man walks slowly, near an apple",
    "counterfactual": "a man walks fast, near an apple",
    "aspect": "Intensity",
}
_VELOCITI = {
    "video_id": "v_1.mp4",
    "test_name": "action_mod",
    "event": "Ev2",
    "pos": "a man slams a door",
    "neg": "a man shuts a door",
    "in_subset": True,
}
_CONTRAST = [
    "clip\tending0\tending1\tending2\tending3\tending4\tlabel",
    "video7\train\ta man washes a doll\ta man wraps a doll\tsnow\tice\t2",
    'video8\t"a" dog\tfog\train\tsnow\ta cat\t0',
]
_NEGCLIP = [
    "\ttitle\tfilepath\tneg_caption\tneg_image",
    '0\ta red car, a blue bus\t1.jpg\t"[\'a blue car, a red bus\', ""a bus\'s car""]"\t[4, 5]',
    '7\t"a ""big"" dog"\t2.jpg\t"[\'a ""big"" cat\']"\t[]',
]


def _lines(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


FILES: dict[str, tuple[str, str]] = {
    "jsonl": ("mine.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _NATIVE)),
    "released": ("msr1ka_adverb_RE20.json", json.dumps(_RELEASED)),
    "thesis": ("thesis.json", json.dumps(_THESIS, indent=4)),
    "sugarcrepe": ("replace_obj.json", json.dumps(_SUGARCREPE, indent=4)),
    "sugarcrepe_pp": ("replace_obj.json", json.dumps(_PP, indent=4)),
    "aro": ("visual_genome_relation.json", json.dumps(_ARO, indent=4)),
    "vitatecs": ("Intensity.jsonl", _lines(_VITATECS)),
    "velociti": ("velociti.jsonl", _lines(_VELOCITI, {**_VELOCITI, "event": {"n": 1}})),
    "contrast": ("msrvtt_human_contrast_set.tsv", "".join(line + "\n" for line in _CONTRAST)),
    "negclip": ("train_neg_clip.tsv", "".join(line + "\n" for line in _NEGCLIP)),
}
"""Form -> name of the file, its text."""
