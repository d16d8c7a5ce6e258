"""What `study export` writes, and what one can do with it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file
from sklearn.metrics import confusion_matrix, recall_score

from study.errors import StudyError
from study.export import drop_stale, export_study, load_network, read_export
from study.export.files import confusion_text
from study.export.recipe import normalising_code
from study.export.use import evaluate, predict
from study.records.ledger import CONFIRM, Ledger
from study.records.paths import StudyPaths
from study.results.selection import cell_results
from tests.study.conftest import SpecMaker
from tests.study.trained import Trained, confirm, train
from trainables.data.datasets import load_pool, load_test
from trainables.data.task import load_task
from trainables.normalisation.fitted import fitted_normalisation, refitted
from trainables.similarity.file import read_numbers

FAMILIES = ["ce", {"family": "tce", "space": {"alpha": {"grid": [0.5, 1.0, 1.5]}}}]
FILES = ["ce-clean", "ce-uniform-0.4", "tce-clean", "tce-uniform-0.4"]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory, make_spec: SpecMaker) -> Trained:
    """A search alone; read only."""
    return train(tmp_path_factory.mktemp("searched"), make_spec(families=FAMILIES, training__epochs=1))


@pytest.fixture(scope="module")
def confirmed(searched: Trained, tmp_path_factory: pytest.TempPathFactory, make_spec: SpecMaker) -> Trained:
    """The same with its confirmation; read only."""
    asked = {"repeats": 2, "protocol": "retrain"}
    spec = make_spec(families=FAMILIES, training__epochs=1, confirm=asked)
    return confirm(searched, tmp_path_factory.mktemp("confirmed"), spec)


def values_in(folder: Path) -> dict[str, dict[str, Any]]:
    return {file.stem: read_export(file) for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.json")])}


def test_an_exported_confusion_says_the_accuracy_of_each_class_and_is_still_a_matrix(tmp_path: Path) -> None:
    labels, predicted = np.random.default_rng(0).integers(0, 4, (2, 50))
    counts = confusion_matrix(labels, predicted, labels=range(5))  # class 4 has no image
    (tmp_path / "confusion.csv").write_text(confusion_text(counts))
    remark = (tmp_path / "confusion.csv").read_text().splitlines()[0]
    *shares, last = remark.removeprefix("# accuracy of each class: ").split(" ")
    np.testing.assert_allclose(
        [float(share) for share in shares], recall_score(labels, predicted, average=None), atol=5e-5
    )
    assert last == "none"
    np.testing.assert_array_equal(read_numbers(tmp_path / "confusion.csv"), counts)


def test_test_numbers_are_the_confirmations_by_repeat_and_only_the_winners(confirmed: Trained, tmp_path: Path) -> None:
    export_study(confirmed.paths, tmp_path, top=2)
    found = values_in(tmp_path)
    with confirmed.ledger() as ledger:
        cells = {(c.facts["label"], c.facts["noise_rate"]): c for c in cell_results(ledger, phase=CONFIRM)}
    for name in FILES:
        values = found[name]
        test, best = values["test"], cells[values["label"], values["task"]["noise_rate"]].best
        assert best is not None
        scores = [repeat["score"] for repeat in test["repeats"]]
        assert scores == [trial.facts["test"]["test_accuracy"] for trial in best.trials]
        assert (test["n"], test["metric"], test["protocol"]) == (2, "test_accuracy", "retrain")
        assert test["mean"] == pytest.approx(statistics.fmean(scores))
        assert test["sd"] == pytest.approx(statistics.stdev(scores))
    assert found["tce-clean-top2"]["test"] is None


def test_a_config_confirmed_under_other_code_or_training_has_no_test_numbers(
    confirmed: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from study.results import confirmed as confirmation

    original = confirmation._same

    def with_other_code(one: Any, other: Any) -> bool:
        return original(one, {**other, "code": "of today"})

    monkeypatch.setattr(confirmation, "_same", with_other_code)
    export_study(confirmed.paths, tmp_path)
    assert [each["test"] for each in values_in(tmp_path).values()] == [None] * 4


def test_without_a_confirmation_there_are_no_test_numbers_and_the_card_says_so(
    searched: Trained, tmp_path: Path
) -> None:
    export_study(searched.paths, tmp_path)
    assert [values["test"] for values in values_in(tmp_path).values()] == [None] * 4
    assert "nothing is known of it on test images (`study confirm small`)" in (tmp_path / "ce-clean.md").read_text()


def test_a_loaded_network_scores_on_raw_images_what_the_file_says(searched: Trained, tmp_path: Path) -> None:
    export_study(searched.paths, tmp_path)
    for name in FILES:
        values = read_export(tmp_path / f"{name}.yaml")
        trial = values["trial"]
        data = load_task(trial["dataset"], trial["split"], trial["noise"], searched.home.cache)
        with torch.no_grad():
            logits = load_network(tmp_path / f"{name}.yaml")(torch.from_numpy(data.pool.images[data.val_index]))
        score = (logits.argmax(1).numpy() == data.noisy_labels[data.val_index]).mean()
        assert score == pytest.approx(values["exported"]["score"], abs=1e-6)


@pytest.mark.parametrize("normalise", ["pixel", "gcn", "zca", "none"])
def test_every_normalisation_comes_with_the_export(normalise: str, make_spec: SpecMaker, tmp_path: Path) -> None:
    spec = make_spec(
        families=["ce"], noise__rate=0.0, training__epochs=1, search__repeats=1, training__normalise=normalise
    )
    study = train(tmp_path / "home", spec)
    export_study(study.paths, tmp_path / "out")
    shutil.rmtree(study.home.cache)
    values = read_export(tmp_path / "out" / "ce.yaml")
    pixels = load_task(values["trial"]["dataset"], values["trial"]["split"], values["trial"]["noise"], tmp_path / "c")
    with torch.no_grad():
        logits = load_network(tmp_path / "out" / "ce.yaml")(torch.from_numpy(pixels.pool.images[pixels.val_index]))
    score = (logits.argmax(1).numpy() == pixels.noisy_labels[pixels.val_index]).mean()
    assert score == pytest.approx(values["exported"]["score"], abs=1e-6)


def test_json_and_yaml_say_the_same(searched: Trained, tmp_path: Path) -> None:
    for form in ("yaml", "json"):
        export_study(searched.paths, tmp_path / form, form=form)
    one, other = values_in(tmp_path / "yaml"), values_in(tmp_path / "json")
    assert sorted(one) == sorted(other) == FILES
    for values in [*one.values(), *other.values()]:
        del values["provenance"]["exported_at"]
    assert one == other
    assert json.loads((tmp_path / "json" / "ce-clean.json").read_text())["format"] == 1


def test_top_exports_the_next_best_too_each_with_its_own_weights(searched: Trained, tmp_path: Path) -> None:
    exported = export_study(searched.paths, tmp_path, top=3)
    found = values_in(tmp_path)
    assert len(exported.files) == 2 * 3 + 2
    assert [note.partition(":")[0].partition(" ")[0] for note in exported.notes] == ["ce", "ce"]
    assert all(note.endswith("1 of 3 exported; the search has no other config") for note in exported.notes)
    ranked = [found[f"tce-clean{ending}"] for ending in ("", "-top2", "-top3")]
    assert [values["rank"] for values in ranked] == [1, 2, 3]
    means = [values["validation"]["mean"] for values in ranked]
    assert means == sorted(means, reverse=True)
    assert {values["params"]["alpha"] for values in ranked} == {0.5, 1.0, 1.5}
    assert len({values["weights"]["sha256"] for values in ranked}) == 3


def test_a_prediction_says_what_was_made_of_an_image_unlike_those_trained_on(searched: Trained, tmp_path: Path) -> None:
    from PIL import Image

    export_study(searched.paths, tmp_path)
    Image.new("RGB", (180, 110)).save(tmp_path / "screen.png")
    Image.new("L", (8, 8)).save(tmp_path / "digit.png")
    found = predict(tmp_path / "ce-clean.yaml", [tmp_path / "screen.png", tmp_path / "digit.png"])
    assert [prediction.changed for prediction in found] == ["180x110 colour, judged as 8x8 grey", None]


def test_without_weights_no_checkpoint_is_needed_and_using_the_file_is_refused(
    searched: Trained, tmp_path: Path
) -> None:
    shutil.copytree(searched.paths.root, tmp_path / "small", ignore=shutil.ignore_patterns("checkpoints"))
    (tmp_path / ".cache").symlink_to(searched.home.cache)
    paths = type(searched.paths)(tmp_path / "small")
    exported = export_study(paths, tmp_path / "out", weights=False)
    assert [len(exported.files), exported.left_out, exported.notes] == [4, [], []]
    assert not list((tmp_path / "out").glob("*.safetensors"))
    with pytest.raises(StudyError, match=r"ce-clean\.yaml: exported without weights; export it again"):
        load_network(tmp_path / "out" / "ce-clean.yaml")
    left_out = export_study(paths, tmp_path / "out").left_out
    assert len(left_out) == 4
    assert all("its checkpoint is unusable" in sentence for sentence in left_out)
    assert all("'study export small --no-weights', then 'study train FILE --out DIR'" in each for each in left_out)


def test_without_the_data_an_export_is_written_and_says_what_it_lacks(
    searched: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: Any) -> Any:
        raise ValueError("data set 'digits' needs files")

    with monkeypatch.context() as patch:
        patch.setattr("study.export.values.load_task", missing)
        exported = export_study(searched.paths, tmp_path)
    assert len(exported.files) == len(exported.notes) == 4
    assert "cannot be used on new images: data set 'digits' needs files" in exported.notes[0]
    assert read_export(tmp_path / "ce-clean.yaml")["weights"]
    with pytest.raises(StudyError, match="does not say how images are normalised"):
        load_network(tmp_path / "ce-clean.yaml")


def test_the_cards_code_runs_and_gives_the_network(
    confirmed: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_study(confirmed.paths, tmp_path)
    monkeypatch.chdir(tmp_path)
    card = (tmp_path / "tce-uniform-0.4.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len(blocks) == 2
    found = []
    for block in blocks:
        names: dict[str, Any] = {}
        exec(block, names)
        found.append(names["network"])
    whole, bare = found
    images = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8)
    with torch.no_grad():
        torch.testing.assert_close(whole(images), bare(names["normalised"](images)))


@pytest.mark.parametrize("normalise", ["none", "channel", "pixel", "gcn", "zca"])
def test_the_cards_normalisation_is_that_of_training(
    normalise: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = load_pool({"name": "digits"}, tmp_path)
    data = load_task({"name": "digits", "digest": pool.digest}, {"holdout": 0.2, "seed": 0}, {"kind": "none"}, tmp_path)
    options, arrays = fitted_normalisation(normalise, data)
    monkeypatch.chdir(tmp_path)
    if arrays:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, "input.safetensors")
    shape = pool.image_shape
    names: dict[str, Any] = {"torch": torch, "load_file": load_file}
    exec(normalising_code({"normalise": options, "shape": list(shape), "file": "input.safetensors"}), names)
    images = torch.randint(0, 256, (5, *shape), dtype=torch.uint8)
    expected = refitted(options, arrays, shape, torch.device("cpu"))(images)
    torch.testing.assert_close(names["normalised"](images), expected, rtol=1e-4, atol=1e-4)


def test_a_config_that_is_not_the_best_of_its_cell_is_said_to_be_in_no_registry(
    searched: Trained, tmp_path: Path
) -> None:
    export_study(searched.paths, tmp_path, top=2)
    card = (tmp_path / "tce-clean-top2.md").read_text()
    assert "MLflow's registry has no version of it" in card
    assert "models:/" not in card


def test_a_card_says_what_its_trials_warned_of(confirmed: Trained, tmp_path: Path) -> None:
    export_study(confirmed.paths, tmp_path)
    quiet = read_export(tmp_path / "tce-uniform-0.4.yaml")
    assert quiet["warnings"] == []
    whole = shutil.copytree(confirmed.paths.root, tmp_path / "home" / "copy")
    with Ledger(StudyPaths(whole).ledger, write=True) as ledger:
        ledger.record_event(
            "warning", "epoch 1: no two classes are alike: the loss is cross entropy", quiet["provenance"]["trial_key"]
        )
    export_study(StudyPaths(whole), tmp_path / "out")
    assert (
        "- Its trials warned: no two classes are alike: the loss is cross entropy."
        in (tmp_path / "out" / "tce-uniform-0.4.md").read_text()
    )


def test_a_card_says_of_which_study_the_search_learnt_first(confirmed: Trained, tmp_path: Path) -> None:
    root = shutil.copytree(confirmed.paths.root, tmp_path / "home" / "small")
    (tmp_path / "home" / ".cache").symlink_to(confirmed.home.cache)
    cards = {}
    for other in (None, "other"):
        with Ledger(StudyPaths(root).ledger, write=True) as ledger:
            spec = ledger.spec() or {}
            ledger.record_spec(spec | {"search": spec["search"] | {"warm_start": other}}, {})
        export_study(StudyPaths(root), tmp_path / "out")
        cards[other] = (tmp_path / "out" / "tce-uniform-0.4.md").read_text()
    assert "The search learnt from the results of study `other` first." in cards["other"]
    assert "learnt" not in cards[None]


def test_a_card_gives_every_number_with_its_n_and_says_what_selection_saw(confirmed: Trained, tmp_path: Path) -> None:
    export_study(confirmed.paths, tmp_path)
    values, card = read_export(tmp_path / "tce-uniform-0.4.yaml"), (tmp_path / "tce-uniform-0.4.md").read_text()
    for part in ("validation", "test"):
        assert f"{values[part]['mean']:.4f} ± {values[part]['sd']:.4f} (n {values[part]['n']})" in card
    assert "chose this configuration among 3 and this epoch" in card
    train, val = (values["provenance"][name] for name in ("num_train", "num_val"))
    sizes = f"{train:,} training, {val:,} validation, 360 test; one image is {1 / val:.4f} of an accuracy in validation"
    assert f"{sizes} and 0.0028 of an accuracy in test" in card
    assert "labels as noisy as the training labels" in card
    assert "not these very weights" in card
    assert values["provenance"]["trial_key"] in card


def digit(folder: Path, number: int, side: int) -> Path:
    from PIL import Image
    from sklearn.datasets import load_digits

    path = folder / f"{number}-{side}.png"
    pixels = (load_digits().images[number] * 255 / 16).astype(np.uint8)
    Image.fromarray(pixels).resize((side, side)).save(path)
    return path


def test_predictions_are_the_networks_own_and_sum_to_one(searched: Trained, tmp_path: Path) -> None:
    export_study(searched.paths, tmp_path)
    file = tmp_path / "ce-clean.yaml"
    images = [digit(tmp_path, number, 8) for number in range(4)]
    predictions = predict(file, images, top=10)
    from PIL import Image

    raw = np.stack([np.array(Image.open(path))[None] for path in images])
    with torch.no_grad():
        expected = load_network(file)(torch.from_numpy(raw)).softmax(-1).numpy()
    for prediction, shares, path in zip(predictions, expected, images, strict=True):
        assert prediction.image == path
        assert sum(share for _, share in prediction.classes) == pytest.approx(1, abs=1e-5)
        assert prediction.classes[0][0] == str(shares.argmax())
        assert [share for _, share in prediction.classes] == pytest.approx(sorted(shares, reverse=True))
    assert len(predict(file, images[:1])[0].classes) == 5


def test_images_of_another_size_are_resized_and_what_is_no_image_is_named(searched: Trained, tmp_path: Path) -> None:
    export_study(searched.paths, tmp_path)
    file = tmp_path / "ce-clean.yaml"
    assert predict(file, [digit(tmp_path, 0, 80)])[0].classes[0][0] in "0123456789"
    with pytest.raises(StudyError, match=r"nowhere\.png: no such file"):
        predict(file, [tmp_path / "nowhere.png"])
    with pytest.raises(StudyError, match=r"ce-clean\.md: not a readable image.*; leave it out of the images given$"):
        predict(file, [tmp_path / "ce-clean.md"])


def test_evaluation_measures_the_exported_weights_on_the_test_part(searched: Trained, tmp_path: Path) -> None:
    export_study(searched.paths, tmp_path)
    file = tmp_path / "tce-clean.yaml"
    found = evaluate(file, searched.home.cache)
    test = load_test({"name": "digits"}, searched.home.cache)
    with torch.no_grad():
        logits = load_network(file)(torch.from_numpy(test.images[:]))
    assert found.images == len(test.labels)
    assert found.metrics["test_accuracy"] == pytest.approx((logits.argmax(1).numpy() == test.labels).mean())
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(test.labels[:]))
    assert found.metrics["test_loss"] == pytest.approx(float(loss), rel=1e-5)
    assert found.notes == []


def test_an_evaluation_repeats_what_a_confirmation_measured(confirmed: Trained, tmp_path: Path) -> None:
    """The confirmation's own checkpoint, put in the place of the exported weights, gives its numbers again."""
    export_study(confirmed.paths, tmp_path)
    file = tmp_path / "ce-clean.yaml"
    values = read_export(file)
    repeat = values["test"]["repeats"][1]
    with confirmed.ledger() as ledger:
        trial = ledger.trial(repeat["trial_key"])
    from study.export.reading import network_of
    from study.export.values import described_input
    from trainables.engine.checkpoint_files import network_weights

    weights, _ = network_weights(confirmed.paths.checkpoint(repeat["trial_key"]), "last")
    described, _ = described_input(trial, confirmed.home.cache)
    (tmp_path / "other.safetensors").write_bytes(weights)
    entry = {"file": "other.safetensors", "sha256": hashlib.sha256(weights).hexdigest()}
    network = network_of(file, values | {"weights": entry, "input": described})
    from trainables.deployed import evaluate as measure

    test = load_test({"name": "digits"}, confirmed.home.cache)
    assert measure(network, test) == pytest.approx(repeat["metrics"], rel=1e-5)


def test_data_that_the_network_does_not_take_is_refused(searched: Trained, tmp_path: Path) -> None:
    export_study(searched.paths, tmp_path)
    for name, side, classes, said in (
        ("large", 9, 10, r"'npz' has images \[1, 9, 9\]; the network takes \[1, 8, 8\]"),
        ("few", 8, 4, "'npz' has 4 classes; the network has 10"),
    ):
        labels = np.arange(40) % classes
        images = np.zeros((40, side, side), np.uint8)
        file = tmp_path / f"{name}.npz"
        np.savez(file, x_train=images, y_train=labels, x_test=images, y_test=labels)
        with pytest.raises(StudyError, match=said):
            evaluate(tmp_path / "ce-clean.yaml", tmp_path / "cache", root=file, dataset="npz")
    with pytest.raises(StudyError, match="unknown data set 'digts'; did you mean 'digits'"):
        evaluate(tmp_path / "ce-clean.yaml", tmp_path / "cache", dataset="digts")


def test_damaged_or_missing_weights_are_named(searched: Trained, tmp_path: Path) -> None:
    export_study(searched.paths, tmp_path)
    weights = tmp_path / "ce-clean.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(StudyError, match=r"ce-clean\.safetensors: not the file that ce-clean\.yaml was exported with"):
        load_network(tmp_path / "ce-clean.yaml")
    weights.unlink()
    with pytest.raises(StudyError, match=r"ce-clean\.safetensors: cannot be read: No such file"):
        load_network(tmp_path / "ce-clean.yaml")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.txt", "", "give a YAML or JSON file"),
        ("a.json", "{", "not JSON"),
        ("a.json", "[1]", "not an exported configuration"),
        ("a.json", '{"format": 1}', "not an exported configuration"),
        ("a.yaml", "format: 1\n", "not an exported configuration"),
        ("a.json", '{"format": 7}', "of format 7, this program reads up to 1: a newer version made it; update"),
    ],
)
def test_what_is_no_export_is_refused_in_a_line(name: str, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(StudyError, match=said) as caught:
        read_export(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_stale_exports_go_with_all_that_lies_beside_them_and_others_stay(
    searched: Trained, tmp_path: Path, make_spec: SpecMaker
) -> None:
    study = train(tmp_path, make_spec(families=FAMILIES, training__epochs=1, noise__rate=0.0, search__repeats=1))
    export_study(study.paths, study.paths.best, top=2)
    export_study(study.paths, study.paths.best, form="json")
    (study.paths.best / "mine.json").write_text("{}")
    study.driver.launch(make_spec(families=["ce"], training__epochs=1, noise__rate=0.0, search__repeats=1))
    drop_stale(study.paths)
    left = {path.name for path in study.paths.best.iterdir()}
    assert left == {"ce.confusion.csv", "ce.json", "ce.md", "ce.safetensors", "ce.yaml", "mine.json"}
