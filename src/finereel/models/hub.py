"""Models of the hub: find them in its local cache, or download and verify them. Without torch.

A model is complete if it has its settings and weights in safetensors. Some owners keep those only
in the pull request that the hub's own converter opened; a download then takes them from there.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from finereel.errors import ModelNotFoundError

CLIP = "openai/clip-vit-base-patch32"
WEIGHTS = "model.safetensors"
_WANTED = (
    "config.json",
    WEIGHTS,
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "preprocessor_config.json",
    "processor_config.json",
)
_CONVERTED = "Adding `safetensors` variant of this model"
_BLOCK = 1 << 20


def cached_models() -> dict[str, Path]:
    """The models in the hub's cache: each id with the folder of its newest complete snapshot."""
    from huggingface_hub import constants

    found = {}
    for repository in sorted(Path(constants.HF_HUB_CACHE).glob("models--*")):
        snapshot = _snapshot(repository)
        if snapshot is not None:
            name = repository.name.removeprefix("models--").replace("--", "/", 1)
            found[name] = snapshot
    return found


def find_cached(name: str) -> Path | None:
    """The folder of a model in the hub's cache, None where it is not complete there."""
    return cached_models().get(name)


def in_cache(name: str) -> bool:
    """Whether the hub's cache has anything of a model that sentence-transformers loads; a name
    without an owner is one of its own.
    """
    from huggingface_hub import constants

    full = name if "/" in name else f"sentence-transformers/{name}"
    snapshots = Path(constants.HF_HUB_CACHE) / f"models--{full.replace('/', '--')}" / "snapshots"
    return snapshots.is_dir() and any(snapshots.iterdir())


def _snapshot(repository: Path) -> Path | None:
    """The snapshot that `main` names, or the newest one, if it has settings and weights."""
    try:
        snapshots = sorted(
            (repository / "snapshots").iterdir(), key=lambda folder: folder.stat().st_mtime_ns
        )
        complete = [
            folder
            for folder in snapshots
            if (folder / "config.json").is_file() and (folder / WEIGHTS).is_file()
        ]
    except OSError:
        return None
    try:
        main = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        main = ""
    named = [folder for folder in complete if folder.name == main]
    usable = named or complete
    return usable[-1] if usable else None


def from_hub(name: str, bundled: Iterable[str]) -> Path:
    """Find a model in the hub's local cache, or download it.

    Args:
        name: The hub id.
        bundled: Bundled names, for the error message.

    Returns:
        The folder of the model.

    Raises:
        ModelNotFoundError: If neither the cache nor the hub has it.
    """
    cached = find_cached(name)
    if cached is not None:
        return cached
    try:
        return download(name)
    except ModelNotFoundError as error:
        raise not_here(name, bundled, str(error).splitlines()[0]) from error


def not_here(name: str, bundled: Iterable[str], tried: str = "") -> ModelNotFoundError:
    """The one wording for a model that is neither a folder, nor bundled, nor in the cache.

    tried: how an attempt to download it ended.
    """
    ended = f"; {tried}" if tried else ""
    is_hub_id = re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", name) is not None
    wanted = name if is_hub_id else CLIP
    return ModelNotFoundError(
        f"model {name!r} is not here: no such directory, not bundled ({', '.join(bundled)}), not "
        f"in the hub cache{ended}\n"
        f"To bring one: `finereel models get {wanted}`. Without a network: run `hf download "
        f"{wanted} --local-dir MODEL` on a machine that has one, copy MODEL here,\n"
        "then pass `--model MODEL`. To see how searching works: `finereel demo`."
    )


def download(name: str) -> Path:
    """Download a model into the hub's cache and verify what came; the hub draws a bar on stderr.

    Args:
        name: The hub id.

    Returns:
        The folder of the model.

    Raises:
        ModelNotFoundError: If the hub does not answer, has no such model or no weights in
            safetensors, or if a file is not what the hub says it is.
    """
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError

    try:
        folder = Path(huggingface_hub.snapshot_download(name, allow_patterns=[*_WANTED]))
        if not (folder / WEIGHTS).exists():
            folder = _converted(name, folder)
        expected = _hashes(name, folder.name)
    except HFValidationError as error:
        raise ModelNotFoundError(
            f"{name!r} is no hub id: expected OWNER/NAME, such as {CLIP}"
        ) from error
    except Exception as error:
        if not _is_of_the_network(error):
            raise
        raise _unanswered(name, error) from error
    _verify(name, folder, expected)
    return folder


def _converted(name: str, folder: Path) -> Path:
    """The snapshot of the pull request that brings weights in safetensors to a model."""
    import huggingface_hub

    for discussion in huggingface_hub.HfApi().get_repo_discussions(name):
        if discussion.is_pull_request and discussion.title == _CONVERTED:
            revision = f"refs/pr/{discussion.num}"
            return Path(
                huggingface_hub.snapshot_download(
                    name, revision=revision, allow_patterns=[*_WANTED]
                )
            )
    raise ModelNotFoundError(
        f"{name} has no {WEIGHTS} on the hub, and pickled weights are not loaded; convert them "
        f"(CLIPModel.from_pretrained({name!r}).save_pretrained('MODEL')), then pass `--model "
        f"MODEL`. What came is in {folder}"
    )


def _hashes(name: str, revision: str) -> dict[str, str]:
    """What the hub says about each wanted file of a revision: SHA-256 of a large file, git's hash
    of a small one.
    """
    import huggingface_hub

    described = huggingface_hub.HfApi().model_info(name, revision=revision, files_metadata=True)
    hashes = {
        file.rfilename: file.lfs.sha256 if file.lfs else file.blob_id
        for file in described.siblings or ()
        if file.rfilename in _WANTED
    }
    return {file: value for file, value in hashes.items() if value}


def _verify(name: str, folder: Path, expected: Mapping[str, str]) -> None:
    """Compare the hashes of all files; what differs is removed, so that it is downloaded again."""
    if WEIGHTS not in expected:
        raise ModelNotFoundError(
            f"the hub states no hash for {WEIGHTS} of {name}, so what came cannot be verified; "
            "try again later"
        )
    for file, value in sorted(expected.items()):
        found = file_hash(folder / file, like=value)
        if found == value:
            continue
        (folder / file).resolve().unlink(missing_ok=True)
        (folder / file).unlink(missing_ok=True)
        raise ModelNotFoundError(
            f"{file} of {name} is damaged: expected the hash {value}, got {found or 'no file'}. It "
            f"was removed; run `finereel models get {name}` again"
        )


def file_hash(path: Path, like: str) -> str:
    """The hash of a file in the kind of another hash; empty where there is no file.

    Args:
        path: The file.
        like: 64 hex digits for SHA-256, 40 for git's hash of a file (SHA-1 with a header).
    """
    if not path.is_file():
        return ""
    if len(like) == hashlib.sha256().digest_size * 2:
        digest = hashlib.sha256()
    else:
        size = path.stat().st_size
        digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _is_of_the_network(error: Exception) -> bool:
    """Whether the hub, its client or the connection failed; the client hands on errors of httpx."""
    from huggingface_hub.errors import HfHubHTTPError

    client = type(error).__module__.partition(".")[0].startswith("httpx")
    return client or isinstance(error, HfHubHTTPError | OSError)


def _unanswered(name: str, error: Exception) -> ModelNotFoundError:
    from huggingface_hub import constants
    from huggingface_hub.errors import RepositoryNotFoundError

    if isinstance(error, RepositoryNotFoundError):
        return ModelNotFoundError(
            f"the hub {constants.ENDPOINT} has no model {name!r}, or does not show it to you; check "
            "the spelling, or log in with `hf auth login`"
        )
    offline = constants.HF_HUB_OFFLINE
    why = "HF_HUB_OFFLINE is set" if offline else " ".join(str(error).split())[:200]
    return ModelNotFoundError(
        f"{name} could not be downloaded: the hub {constants.ENDPOINT} did not answer ({why}).\n"
        "Check the network and try again; what came is kept. Without a network: run "
        f"`hf download {name} --local-dir MODEL` on a machine that has one, copy MODEL here, "
        "then pass `--model MODEL`."
    )
