"""Reading what `study export` wrote."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.errors import StudyError
from study.records.shapes import Export, misfit
from study.spec import NoiseSpec, TrainingSpec
from study.spec.study_file import make_importable
from study.spec.yaml_file import read_document
from trainables.data.noise import NOISES
from trainables.losses.families import get_family
from trainables.models import check_model
from trainables.own import is_own

if TYPE_CHECKING:
    from trainables.deployed import Deployed

FORMAT = 1
PARTS = ("trial", "run", "exported", "validation", "provenance")


def read_export(path: Path) -> dict[str, Any]:
    """An exported file's values; StudyError where it is not one."""
    if path.suffix not in (".yaml", ".yml", ".json"):
        raise StudyError(f"{path}: not an exported configuration; give a YAML or JSON file that 'study export' wrote")
    values = _values(path)
    version = values.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise StudyError(
            f"{path}: of format {version}, this program reads up to {FORMAT}: a newer version made it; "
            "update the program"
        )
    if version != FORMAT or not all(isinstance(values.get(part), dict) for part in PARTS):
        raise StudyError(f"{path}: not an exported configuration; make one with 'study export'")
    if wrong := misfit(values, Export):
        raise StudyError(f"{path}: {wrong}; export it again")
    try:
        _check_trial(values["trial"])
    except ValueError as problem:
        said = " ".join(str(problem).split())[:200]
        raise StudyError(f"{path}: its training cannot be run: {said}; export it again") from None
    return values


def _check_trial(trial: dict[str, Any]) -> None:
    """ValueError for settings that no study file may have; of what is the user's own the code says so later."""
    TrainingSpec.model_validate(trial["training"])
    NoiseSpec.model_validate({name: value for name, value in trial["noise"].items() if name not in ("seed", "digest")})
    if NOISES[trial["noise"]["kind"]].drawn and "seed" not in trial["noise"]:
        raise ValueError("trial.noise.seed is missing")
    if not is_own(trial["model"]["name"]):
        check_model(trial["model"]["name"], {name: v for name, v in trial["model"].items() if name != "name"})
    if not is_own(trial["loss"]["family"]):
        get_family(trial["loss"]["family"]).settle({k: v for k, v in trial["loss"].items() if k != "family"})


def load_network(path: str | Path, device: str = "cpu") -> Deployed:
    """The network of an exported file: uint8 images `[N, channels, height, width]` to logits `[N, C]`.

    StudyError where the file is none, or has no weights, or they are damaged.
    """
    return network_of(Path(path), read_export(Path(path)), device)


def network_of(path: Path, values: dict[str, Any], device: str = "cpu") -> Deployed:
    """The network of the exported file at `path`, whose values were read already."""
    weights, arrays = _weights(path, values), {}
    described = described_input_of(path, values)
    if "file" in described:
        arrays = dict(_tensors(path, described, "numpy"))
    for folder in (path.absolute().parent, Path.cwd()):
        make_importable(folder)
    from trainables.deployed import deploy
    from trainables.own import source_digest

    model = values["trial"]["model"]
    try:
        if is_own(model["name"]) and values["trial"].get("model_code", "") not in ("", source_digest(model["name"])):
            raise ValueError(f"the code of '{model['name']}' is not the one that it was trained with; restore it")
        return deploy(model, weights, described, arrays, len(described["classes"]), device)
    except (ValueError, KeyError, TypeError) as problem:
        said = str(problem) if isinstance(problem, ValueError) else f"its input is not described: {problem!r}"
        raise StudyError(f"{path}: {said}") from None


def described_input_of(path: Path, values: dict[str, Any]) -> dict[str, Any]:
    """What the network of an exported file sees; StudyError where the file does not say it."""
    described = values.get("input")
    if not isinstance(described, dict):
        raise StudyError(
            f"{path}: it does not say how images are normalised: the data was not at hand when it was exported, or an "
            "older version did; export it again where the data is"
        )
    return described


def _weights(path: Path, values: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(values.get("weights"), dict):
        raise StudyError(f"{path}: exported without weights; export it again with --weights")
    return _tensors(path, values["weights"], "torch")


def _tensors(path: Path, entry: dict[str, Any], kind: str) -> dict[str, Any]:
    """The tensors of a file beside an exported one, checked against its hash."""
    file = beside(path, entry.get("file"))
    try:
        data = file.read_bytes()
    except OSError as problem:
        raise StudyError(f"{file}: cannot be read: {problem.strerror}; it belongs beside {path.name}") from None
    if hashlib.sha256(data).hexdigest() != entry.get("sha256"):
        raise StudyError(f"{file}: not the file that {path.name} was exported with; export both again")
    from safetensors import SafetensorError
    from safetensors.numpy import load
    from safetensors.torch import load as load_torch

    try:
        return dict(load(data) if kind == "numpy" else load_torch(data))
    except (SafetensorError, ValueError, KeyError) as problem:
        raise StudyError(f"{file}: no safetensors file: {problem}; export it again") from None


def beside(path: Path, name: Any) -> Path:
    """The file `name` in the folder of `path`; StudyError where it would be in another one."""
    if not isinstance(name, str) or Path(name).name != name or name in ("", ".."):
        raise StudyError(f"{path}: it names the file {str(name)[:80]!r}; a file beside it, without a folder, is read")
    return path.with_name(name)


def _values(path: Path) -> dict[str, Any]:
    if path.suffix != ".json":
        return read_document(path).values
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(f"{path}: no such file") from None
    except OSError as problem:
        raise StudyError(f"{path}: cannot be read: {problem.strerror}") from None
    except (ValueError, RecursionError) as problem:
        raise StudyError(f"{path}: not JSON: {problem}") from None
    return values if isinstance(values, dict) else {}
