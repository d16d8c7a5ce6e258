"""The model card of an exported configuration: what it is, what it was trained on, what its numbers mean."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from study.export.recipe import normalising_code
from study.results.numbers import format_score
from study.tracking.words import setting_text
from trainables.losses.families import get_family
from trainables.own import is_own


def card_text(values: Mapping[str, Any], name: str, alias: str | None) -> str:
    """Markdown about the exported file `name` with these values; `alias` is its own in the registry, if it has one."""
    parts = [
        f"# {values['label']} on {values['task']['dataset']}, {values['task']['noise']}, {values['task']['model']}",
        _what(values),
        _data(values),
        _training(values),
        _numbers(values),
        _limits(values),
        _loading(values, name, alias),
        _environment(values),
    ]
    return "\n\n".join(parts) + "\n"


def _what(values: Mapping[str, Any]) -> str:
    trial, loss = values["trial"], values["trial"]["loss"]
    if is_own(loss["family"]):
        family = f"the loss `{loss['family']}`"
    else:
        known = get_family(loss["family"])
        family = f"{known.title} (`{known.name}`; {known.paper})"
    settings = {key: value for key, value in loss.items() if key != "family"}
    other = values["provenance"].get("warm_start")
    learnt = f" The search learnt from the results of study `{other}` first." if other else ""
    where = "the best" if values["rank"] == 1 else f"number {values['rank']}"
    return (
        f"An image classifier, `{trial['model']['name']}`{_given(trial['model'])}, trained with {family}"
        f"{_given(settings)}. It is {where} of the {values['validation']['configs']} configurations of this loss that "
        f"study `{values['provenance']['study']}` tried on this task, by {values['validation']['metric']}.{learnt}"
    )


def _data(values: Mapping[str, Any]) -> str:
    trial, provenance, seen = values["trial"], values["provenance"], values.get("input")
    options = {k: v for k, v in trial["dataset"].items() if k not in ("name", "digest", "root") and v is not None}
    rows = [
        ("Data set", f"`{trial['dataset']['name']}`{_given(options)}, digest `{trial['dataset']['digest']}`"),
        ("Held out for validation", f"{trial['split']['holdout']:g}, split `{provenance.get('split_digest')}`"),
        ("Images", _sizes(values)),
        ("Label noise", _noise(trial["noise"], provenance)),
    ]
    if seen:
        classes = [str(each) for each in seen["classes"]]
        shown = ", ".join(classes[:20]) + (f" and {len(classes) - 20} more" if len(classes) > 20 else "")
        rows.append(("Shape", f"{' x '.join(map(str, seen['shape']))} (channels, height, width)"))
        rows.append(("Classes", f"{len(classes)}: {shown}"))
    return "## Data\n\n" + _list(rows)


def _sizes(values: Mapping[str, Any]) -> str:
    """How many images each number is of, and what one of them is worth."""
    counts = {
        "training": values["provenance"].get("num_train"),
        "validation": values["provenance"].get("num_val"),
        "test": (values["test"] or {}).get("num_images"),
    }
    known = {name: count for name, count in counts.items() if count}
    worth = [f"{1 / count:.4f} of an accuracy in {name}" for name, count in known.items() if name != "training"]
    sizes = ", ".join(f"{count:,} {name}" for name, count in known.items())
    return (sizes or "numbers unknown") + (f"; one image is {' and '.join(worth)}" if worth else "")


def _noise(noise: Mapping[str, Any], provenance: Mapping[str, Any]) -> str:
    if noise["kind"] == "none":
        return "none"
    rate = f", rate {noise['rate']:g}" if "rate" in noise else ""
    realised = provenance.get("noise_rate_realised")
    changed = f"; {realised:.1%} of the training labels are wrong" if realised is not None else ""
    return f"{noise['kind']}{rate}{changed} (mask `{provenance.get('noise_digest')}`)"


def _training(values: Mapping[str, Any]) -> str:
    training = values["trial"]["training"]
    optimizer, schedule = dict(training["optimizer"]), dict(training["schedule"])
    rows = [
        ("Optimiser", f"{optimizer.pop('name')}{_given(optimizer)}"),
        ("Learning rate", f"{schedule.pop('name')}{_given(schedule)}"),
        ("Epochs", f"{training['epochs']}, batches of {training['batch_size']}"),
        ("Augmentation", " + ".join(str(setting_text(each)) for each in training.get("augment", [])) or "none"),
        ("Normalisation", str(setting_text(training.get("normalise", "channel")))),
    ]
    return "## Training\n\n" + _list(rows)


def _numbers(values: Mapping[str, Any]) -> str:
    validation, test, exported = values["validation"], values["test"], values["exported"]
    rows = [
        f"| {validation['metric']}, over {_repeats(validation['n'])} of the search | {_score(validation)} |",
        f"| {validation['metric']}, of these weights: repeat {exported['repeat']}, epoch {exported['epoch']} | "
        f"{exported['score']:.4f} (n 1) |",
    ]
    if test is not None:
        rows.append(f"| {test['metric']}, over {_repeats(test['n'])} of the confirmation | {_score(test)} |")
    below = (
        "The configuration was not confirmed: nothing is known of it on test images "
        f"(`study confirm {values['provenance']['study']}`)."
        if test is None
        else "By repeat: " + ", ".join(f"{each['score']:.4f}" for each in test["repeats"]) + "."
    )
    if test is not None and test.get("diverged"):
        below += f" {_repeats(test['diverged'])} more diverged: no finite loss or score, and no part of the mean."
    return "\n".join(["## Numbers", "", "| what | mean ± sd |", "|---|---|", *rows, "", below])


def _limits(values: Mapping[str, Any]) -> str:
    validation, test = values["validation"], values["test"]
    noisy = validation["metric"].endswith("_noisy") and values["trial"]["noise"]["kind"] != "none"
    said = [
        f"The search saw validation images alone, and chose this configuration among {validation['configs']} and this "
        "epoch by them: the validation numbers flatter it.",
        "Those numbers are against labels as noisy as the training labels, which no classifier can match." if noisy
        else "",
        _tested_how(test["protocol"]) if test else "",
        f"{validation['n']} repeat tells nothing of the spread between runs." if validation["n"] == 1 else "",
        *(f"Its trials warned: {sentence}." for sentence in values.get("warnings", ())),
        "It knows no other classes than those above, and images unlike the training images are judged all the same.",
    ]  # fmt: skip
    return "## Limits\n\n" + "\n".join(f"- {each}" for each in said if each)


def _tested_how(protocol: str) -> str:
    how = {
        "retrain": "trained anew on training and validation images together, to the epoch that the search chose",
        "holdout": "trained anew with other seeds, at their best validation epoch",
    }[protocol]
    return f"The test numbers are of networks {how}. They say what this configuration gives, not these very weights."


def _loading(values: Mapping[str, Any], name: str, alias: str | None) -> str:
    seen, weights, model = values.get("input"), values["weights"], dict(values["trial"]["model"])
    if weights is None or seen is None:
        missing = "weights" if weights is None else "a description of its input"
        return f"## Loading\n\nExported without {missing}. Train it again: `study train {name}`."
    arguments = "".join(f", {key}={value!r}" for key, value in model.items() if key != "name")
    shape, classes = tuple(seen["shape"]), len(seen["classes"])
    own = ""
    if is_own(model["name"]):
        own = (
            f"\n\nThe network is the user's own: `{model['name'].partition(':')[0]}` must be importable there; in the "
            "registry too where it could not be traced, which its version's tag `study.form` says (`pickle`)."
        )
    return f"""## Loading

With this package, normalisation included (uint8 images `[N, {", ".join(map(str, shape))}]` to logits `[N, {classes}]`):

```python
from study.export import load_network

network = load_network("{name}")
```

The network by itself, which takes images that are scaled and normalised first, as `normalised` does:

```python
import torch
from safetensors.torch import load_file
from trainables.models import make_model

network = make_model("{model["name"]}"{arguments}, image_shape={shape}, num_classes={classes}, seed=0)
network.load_state_dict(load_file("{weights["file"]}"))
network.eval()

{normalising_code(seen)}


# logits = network(normalised(images)), of images uint8 [N, {", ".join(map(str, shape))}] with values from 0 to 255
```

On the command line: `study predict {name} IMAGE...`, `study evaluate {name}`, and `study train {name}` to train it
again.{own}

{_registry(values, alias)}"""


def _registry(values: Mapping[str, Any], alias: str | None) -> str:
    study = values["provenance"]["study"]
    if values["rank"] > 1:
        return "MLflow's registry has no version of it: the best configuration of each loss and task alone goes there."
    address = f"{study}@{alias}" if alias else f"{study}/VERSION"
    why = (
        "It was the best of its task by validation when this card was written."
        if alias
        else "The command prints its version; it has no alias, since it was not the first of its task by validation."
    )
    return (
        f"From MLflow's registry, where `study export {study} --register` has brought it, with that store set by "
        f'`mlflow.set_tracking_uri`: `mlflow.pytorch.load_model("models:/{address}")`; where `{study}` is another '
        f"study's model there, under the name that the command prints. {why} It takes raw images and needs no code of "
        "this package, unless it could not be traced: the command says so, and its version's tag `study.form` is "
        "`pickle`."
    )


def _environment(values: Mapping[str, Any]) -> str:
    provenance = values["provenance"]
    packages = provenance.get("packages", {})
    rows = [
        ("Commit", f"`{provenance.get('commit', 'unknown')}`"),
        ("Versions", ", ".join([f"Python {provenance.get('python')}", *(f"{k} {v}" for k, v in packages.items())])),
        ("Machine", f"{provenance.get('platform')}; trained on {values['run']['device']}"),
        ("Trial", f"`{provenance['trial_key']}`, MLflow run `{provenance['mlflow_run']}`"),
        ("Exported", provenance["exported_at"]),
    ]
    return "## Environment\n\n" + _list(rows)


def _score(part: Mapping[str, Any]) -> str:
    return format_score(part["mean"], part["sd"], part["n"])


def _repeats(count: int) -> str:
    return f"{count} repeat{'s' if count != 1 else ''}"


def _given(settings: Mapping[str, Any]) -> str:
    given = {key: value for key, value in settings.items() if key != "name"}
    return f" ({', '.join(f'{key} {_plain(value)}' for key, value in given.items())})" if given else ""


def _plain(value: Any) -> str:
    if isinstance(value, Mapping) and value.get("path") is not None:
        value = {**value, "path": Path(value["path"]).name}
    return value if isinstance(value, str) else json.dumps(value)


def _list(rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in rows)
