"""What runs and their columns are called in a tracker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainables.trial import SEARCH

OUTDATED_TAG = "study.outdated"  # of what was confirmed: `yes` where its scores have been outrun, else `no`


def cell_run_name(cell: Mapping[str, Any]) -> str:
    """`tce · η=0.4 · digits, small_cnn`: what differs most stands first, since narrow columns cut the end."""
    phase = "" if phase_of(cell) == SEARCH else f"{phase_of(cell)} · "
    return f"{phase}{cell['label']} · {noise_text(cell)} · {cell['dataset']}, {cell['model']}"


def trial_run_name(cell: Mapping[str, Any], params: Mapping[str, Any], repeat: int) -> str:
    """`tce alpha=1.5 lr=0.0501 η=0.4 seed 2`; the seed is the number of the repeat."""
    loss = [name for name in params if name in cell.get("searched", [])]
    values = [values_text({name: params[name] for name in loss})] if loss else []
    phase = [] if phase_of(cell) == SEARCH else [phase_of(cell)]
    return " ".join([*phase, cell["label"], *values, noise_text(cell), f"seed {repeat}"])


def values_text(params: Mapping[str, Any]) -> str:
    """`alpha=1.5 lr=0.0501`; `training.optimizer.lr` is `lr` here as in every column."""
    shown = {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in params.items()}
    return " ".join(f"{name.rpartition('.')[2]}={setting_text(value)}" for name, value in shown.items())


def searched_first(params: Mapping[str, Any], searched: Sequence[str]) -> dict[str, Any]:
    """A config's settings, those that were `searched` before those that stayed: narrow columns cut the end."""
    return dict(sorted(params.items(), key=lambda item: item[0].rpartition(".")[2] not in searched))


def noise_text(cell: Mapping[str, Any]) -> str:
    """`η=0.4` for uniform noise, `pair η=0.2` for other kinds, `file aggre` for one without a rate, `clean`."""
    kind, _, rate = str(cell["noise"]).rpartition(" ")
    if rate != f"{cell['noise_rate']:g}":
        return str(cell["noise"])
    return f"η={rate}" if kind == "uniform" else f"{kind} η={rate}"


def cell_tags(cell: Mapping[str, Any]) -> dict[str, str]:
    """What the runs of a cell and of its trials are filtered by."""
    facts = {name: str(cell[name]) for name in ("family", "label", "dataset", "noise", "model")}
    return {f"study.{name}": value for name, value in (facts | {"phase": phase_of(cell)}).items()} | {
        "study.cell": cell_run_name(cell)
    }


def outdated_text(outdated: bool) -> str:
    """The value of `OUTDATED_TAG`."""
    return "yes" if outdated else "no"


def phase_of(cell: Mapping[str, Any]) -> str:
    """The phase of a study that a cell belongs to."""
    return str(cell.get("phase", SEARCH))


def setting_text(value: Any) -> Any:
    """A setting with options in a line, `lda(sharpness=exp, tau=0.1)`, without the place of its file; others as is."""
    if not isinstance(value, Mapping):
        return value
    options = [f"{name}={each}" for name, each in value.items() if name not in ("name", "path")]
    return f"{value['name']}({', '.join(options)})" if options else value["name"]


def flat_params(trial: Mapping[str, Any], repeat: int) -> dict[str, Any]:
    """A trial's description as columns: what one sorts and filters by. The same for the same key, whenever asked."""
    training = trial["training"]
    optimizer, schedule = dict(training["optimizer"]), dict(training["schedule"])
    model = dict(trial["model"])
    return {
        **{name: setting_text(value) for name, value in trial["loss"].items()},
        "dataset": trial["dataset"]["name"],
        "noise_kind": trial["noise"]["kind"],
        **({"noise_rate": trial["noise"]["rate"]} if "rate" in trial["noise"] else {}),
        "model": model.pop("name"),
        **{f"model_{name}": value for name, value in model.items()},
        "optimizer": optimizer.pop("name"),
        **optimizer,
        "schedule": schedule.pop("name"),
        **schedule,
        "epochs": training["epochs"],
        "batch_size": training["batch_size"],
        "clip_norm": training["clip_norm"],
        "precision": training["precision"],
        "augment": " + ".join(map(setting_text, training.get("augment", []))) or "none",
        "normalise": setting_text(training.get("normalise", "channel")),
        "holdout": trial["split"]["holdout"],
        "repeat": repeat,
    }


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"
