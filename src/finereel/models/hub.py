"""Load models by name from the cache of the Hugging Face hub, or download them."""

from collections.abc import Iterable
from pathlib import Path

from finereel.errors import ModelNotFoundError


def from_hub(name: str, bundled: Iterable[str]) -> Path:
    """The folder of a model in the hub's cache, else fetched from there. ModelNotFoundError where
    neither has it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.json",
        "merges.txt",
    ]
    wanted += ["preprocessor_config.json", "processor_config.json"]
    for offline in (True, False):
        try:
            return Path(snapshot_download(name, allow_patterns=wanted, local_files_only=offline))
        except HFValidationError:
            break
        except (LocalEntryNotFoundError, HfHubHTTPError, OSError):
            continue
    raise ModelNotFoundError(
        f"model {name!r} is not here: no such directory, not bundled ({', '.join(bundled)}), not "
        "in the hub cache, "
        "and the hub did not answer.\n"
        f"To bring it: on a machine with a network run `hf download {name} --local-dir MODEL`, "
        "copy MODEL here,\n"
        "then pass `--model MODEL`. To try without: `--model reelworld-tiny` (drawn scenes only) "
        "or `finereel demo`."
    )
