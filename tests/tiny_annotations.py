"""The smallest valid annotations of every data set, as its authors write them, for tests that then
break them.
"""

import json
from pathlib import Path

CAPTION = "a dog runs"
"""The first caption of every data set here; it stands in each once, so that a test can replace it.
"""


def _csv(*lines: str) -> str:
    return "".join(line + "\r\n" for line in lines)


def _msrvtt() -> dict[str, str]:
    texts = [
        ("video7", CAPTION),
        ("video7", "a cat, asleep"),
        ("video8", "rain"),
        ("video9", "snow"),
    ]
    sentences = [
        {"caption": text, "video_id": video, "sen_id": n} for n, (video, text) in enumerate(texts)
    ]
    return {
        "MSRVTT_data.json": json.dumps({"videos": [], "sentences": sentences}),
        "MSRVTT_train.9k.csv": _csv("video_id", "video8", "video7"),
        "MSRVTT_train.7k.csv": _csv("video_id", "video7"),
        "MSRVTT_JSFUSION_test.csv": _csv(
            "key,vid_key,video_id,sentence", 'ret0,msr9,video9,"snow, much of it"'
        ),
    }


def _lists(train: str, val: str, test: str) -> dict[str, str]:
    return {
        "train_list.txt": train + "\n",
        "val_list.txt": val + "\n",
        "test_list.txt": test + "\n",
    }


def _msvd() -> dict[str, str]:
    captions = {"-a_1_2": [CAPTION, "a cat"], "b_1_2": ["rain"], "c_1_2": ["snow"]}
    return {"captions_msvd.json": json.dumps(captions), **_lists("-a_1_2", "b_1_2", "c_1_2")}


def _didemo() -> dict[str, str]:
    def described(text: str, video: str, number: int) -> dict[str, object]:
        return {"description": text, "video": video, "annotation_id": number, "times": [[0, 0]]}

    return {
        "didemo_train_label.csv": _csv(
            "success,video_path,starts,ends,text,formatted_data",
            f"True,/x/y/7@N0_1.avi,tensor([[0]]),tensor([[31]]),{CAPTION} it stops,/x.pth",
            'True,/x/y/7@N0_2.mov,tensor([[0]]),tensor([[31]]),"rain, then\n sun",/x.pth',
        ),
        "val_data.json": json.dumps([described("snow", "8.mp4", 1), described("ice.", "8.mp4", 2)]),
        "test_data.json": json.dumps(
            [described("fog", "9.mp4", 3), described("hail", "gone.mp4", 4)]
        ),
        "test_list.txt": "9.mp4\n",
    }


def _activitynet() -> dict[str, str]:
    def facts(*sentences: str) -> dict[str, object]:
        return {
            "duration": 9.5,
            "timestamps": [[0, 9]] * len(sentences),
            "sentences": list(sentences),
        }

    train = {"v_abc": facts(CAPTION, "  It stops."), "v_abd": facts("rain")}
    return {
        "train.json": json.dumps(train),
        "val_1.json": json.dumps({"v_abe": facts("snow", " ice")}),
    }


def _vatex() -> dict[str, str]:
    def clip(video: str, *texts: str) -> dict[str, object]:
        return {"videoID": video, "enCap": list(texts), "chCap": ["雨"]}

    held = [clip("v_000001_000011", "snow", "ice"), clip("w_000001_000011", "fog")]
    return {
        "vatex_training_v1.0.json": json.dumps([clip("-u_000001_000011", CAPTION, "a cat")]),
        "vatex_validation_v1.0.json": json.dumps(held),
        **_lists("-u_000001_000011", "v_000001_000011", "w_000001_000011"),
    }


def _lsmdc() -> dict[str, str]:
    def line(clip: str, text: str) -> str:
        return f"{clip}\t00.00.01.000\t00.00.02.000\t00.00.01.000\t00.00.02.000\t{text}\n"

    first = "0001_Film_00.00.51.926-00.00.54.129"
    return {
        "LSMDC16_annos_training.csv": line(first, CAPTION) + line(first, 'He says "rain".'),
        "LSMDC16_annos_val.csv": line("0002_Film_00.00.51.926-00.00.54.129", "snow"),
        "LSMDC16_challenge_1000_publictect.csv": line("0003_Film_00.00.51.926-00.00.54.129", "fog"),
    }


def _vln(source: str) -> dict[str, str]:
    lines = [f"-7q##*##0**#**{CAPTION}", "-7q##*##1**#**a cat", "b##x##*##0**#**rain"]
    return {
        "captions.txt": "\n".join(lines),
        f"vln_{source}_train.txt": "-7q\n",
        f"vln_{source}_val.txt": "b##x\n",
    }


def _flickr8k() -> dict[str, str]:
    lines = [f"1_a.jpg#0\t{CAPTION}", "1_a.jpg#1\ta cat", "2_b.jpg#0\train", "3_c.jpg#0\tsnow"]
    return {
        "Flickr8k.token.txt": "\n".join(lines),
        "Flickr_8k.trainImages.txt": "1_a.jpg\n",
        "Flickr_8k.devImages.txt": "2_b.jpg\n",
        "Flickr_8k.testImages.txt": "3_c.jpg\n",
    }


def _msrvtt_frames() -> dict[str, str]:
    listed = {"train": ["video7"], "val": ["video8"], "test": ["video9"]}
    return {**_msrvtt(), "split.json": json.dumps(listed)}


def _folder() -> dict[str, str]:
    rows = [f"1,a.mp4,{CAPTION},train", '2,a.mp4,"a cat, asleep",train', "3,b/c.mp4,rain,val"]
    return {"captions.csv": _csv("id,video,caption,split", *rows)}


def _reelworld() -> dict[str, str]:
    rows = [
        {"video": f"00000{n}.mp4", "caption": text, "split": "train"}
        for n, text in enumerate([CAPTION, "rain"])
    ]
    return {"captions.jsonl": "".join(json.dumps(row) + "\n" for row in rows)}


FILES: dict[str, dict[str, str]] = {
    "msrvtt": _msrvtt(),
    "msvd": _msvd(),
    "didemo": _didemo(),
    "activitynet": _activitynet(),
    "vatex": _vatex(),
    "lsmdc": _lsmdc(),
    "vln_uvo": _vln("UVO"),
    "vln_oops": _vln("OOPS"),
    "flickr8k": _flickr8k(),
    "msrvtt_frames": _msrvtt_frames(),
    "everyday": {**_flickr8k(), **_msrvtt_frames()},
    "folder": _folder(),
    "reelworld": _reelworld(),
}
"""The text of each file, by data set and file name; the first file of each holds CAPTION."""
SIZES: dict[str, dict[str, tuple[int, int]]] = {
    "msrvtt": {"train_9k": (2, 3), "train_7k": (1, 2), "test": (1, 1), "test_20": (1, 1)},
    "msvd": {"train": (1, 2), "val": (1, 1), "test": (1, 1)},
    "didemo": {"train": (2, 2), "val": (1, 1), "test": (1, 1)},
    "activitynet": {"train": (2, 2), "test": (1, 1)},
    "vatex": {"train": (1, 2), "val": (1, 2), "test": (1, 1)},
    "lsmdc": {"train": (1, 2), "val": (1, 1), "test": (1, 1)},
    "vln_uvo": {"train": (1, 2), "val": (1, 1)},
    "vln_oops": {"train": (1, 2), "val": (1, 1)},
    "flickr8k": {"train": (1, 2), "val": (1, 1), "test": (1, 1)},
    "msrvtt_frames": {"train": (1, 2), "val": (1, 1), "test": (1, 1)},
    "everyday": {"train": (2, 4), "val": (2, 2), "test": (2, 2)},
    "folder": {"train": (1, 2), "val": (1, 1)},
    "reelworld": {"train": (2, 2)},
}
"""Videos and captions of each split."""


def write_annotations(name: str, folder: Path) -> Path:
    """The files of a data set in `folder`, which comes back."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in FILES[name].items():
        (folder / file).write_bytes(text.encode())
    return folder
