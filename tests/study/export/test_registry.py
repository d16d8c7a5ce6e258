"""Exported networks in MLflow's model registry."""

from __future__ import annotations

import logging
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from study.errors import StudyError
from study.export import export_study, load_network, read_export
from study.export.registry import Registered, register
from study.records.ledger import Ledger
from study.tracking.mlflow_removal import remove_study
from study.tracking.mlflow_store import settle_environment
from study.tracking.mlflow_view import MlflowView
from study.tracking.owner import Owner
from tests.study.conftest import SpecMaker
from tests.study.trained import Trained, train

BRANCHING = """\
import torch
from torch import nn


class Branching(nn.Module):
    def __init__(self, image_shape, num_classes):
        super().__init__()
        channels, height, width = image_shape
        self.linear = nn.Linear(channels * height * width, num_classes)

    def forward(self, images):
        logits = self.linear(images.flatten(1))
        return logits * 2 if float(logits.detach().abs().sum()) > 1 else logits
"""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own
        yield
    logging.getLogger("alembic").setLevel(logging.WARNING)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, make_spec: SpecMaker) -> Trained:
    """A tracked study with a network that MSL attached a module to, exported into its folder."""
    spec = make_spec(
        families=["ce", {"family": "msl", "space": {"xi": 0.5, "modules": "conv1"}}],
        model={"name": "small_cnn", "width": 2, "hidden": 8},
        training__epochs=1,
        search__repeats=1,
        tracking={"enabled": True},
    )
    found = train(tmp_path_factory.mktemp("home"), spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        track(found)
    export_study(found.paths, found.paths.best, top=2)
    return found


def track(study: Trained) -> None:
    with Ledger(study.paths.ledger, write=True) as ledger:
        MlflowView(study.home.mlflow_uri, study.paths, study.home, ledger).level(hurry=True)


def lone_study(make_spec: SpecMaker, root: Path) -> Trained:
    """One tracked trial, exported into its folder."""
    spec = make_spec(
        families=["ce"], noise__rate=0.0, training__epochs=1, search__repeats=1, tracking={"enabled": True}
    )
    found = train(root, spec)
    track(found)
    export_study(found.paths, found.paths.best)
    return found


def brought(study: Trained) -> Registered:
    return register(sorted(study.paths.best.glob("*.yaml")), study.paths, study.home)


def removed(study: Trained) -> str | None:
    """The experiment that `study delete` moves to the bin."""
    with study.ledger() as ledger:
        owner = Owner.of(study.paths.name, ledger)
        keys = [*ledger.trials(), *dict(ledger.cells())]
    return remove_study(study.home.mlflow_uri, owner, keys, study.home.mlflow_artifacts).experiment


def client_of(study: Trained) -> Any:
    settle_environment()
    import mlflow

    return mlflow.MlflowClient(tracking_uri=study.home.mlflow_uri, registry_uri=study.home.mlflow_uri)


def load(study: Trained, address: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    import mlflow.pytorch

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(study.home.mlflow_uri)
    try:
        return mlflow.pytorch.load_model(address)
    finally:
        mlflow.set_tracking_uri(before)


def test_each_cells_best_is_a_version_and_each_tasks_best_a_champion(
    study: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = brought(study)
    assert [version.form for version in found.versions] == ["pt2"] * 4
    assert not any("pickle" in note for note in found.notes)
    exports = [read_export(study.paths.best / version.file) for version in found.versions]
    assert [values["rank"] for values in exports] == [1] * 4
    for rate, alias in ((0.0, "champion-clean"), (0.4, "champion-uniform-0-4")):
        here = [i for i, values in enumerate(exports) if values["task"]["noise_rate"] == rate]
        best = max(here, key=lambda i: exports[i]["validation"]["mean"])
        assert [i for i, version in enumerate(found.versions) if alias in version.aliases] == [best]
        assert client_of(study).get_model_version_by_alias("small", alias).version == int(found.versions[best].version)
    assert len(found.champions) == 2
    champion = next(version for version in found.versions if version.aliases)
    images = torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8)
    loaded = load(study, found.champions[0], monkeypatch)
    with torch.no_grad():
        torch.testing.assert_close(loaded(images), load_network(study.paths.best / champion.file)(images))


def addresses(text: str) -> list[str]:
    return re.findall(r"models:/[^\s\"'`]+", text)


def test_each_card_names_the_alias_that_its_own_model_has(study: Trained) -> None:
    found, client = brought(study), client_of(study)
    by_file = {version.file: version for version in found.versions}
    said = {file: file.with_suffix(".md").read_text() for file in sorted(study.paths.best.glob("*.yaml"))}
    for file, card in said.items():
        version = by_file.get(file.name)
        if version is None:  # not the best of its cell
            assert addresses(card) == []
            continue
        own = [f"models:/small@{alias}" for alias in version.aliases] or ["models:/small/VERSION"]
        assert addresses(card) == own
        assert client.get_model_version("small", version.version).description == card
    named = [address for card in said.values() for address in addresses(card) if "@" in address]
    assert sorted(named) == sorted(found.champions)
    assert sorted(named) == ["models:/small@champion-clean", "models:/small@champion-uniform-0-4"]


def test_a_version_of_the_same_weights_gets_the_card_of_today(make_spec: SpecMaker, tmp_path: Path) -> None:
    found = lone_study(make_spec, tmp_path)
    (version,) = brought(found).versions
    card = found.paths.best / "ce.md"
    assert addresses(card.read_text()) == ["models:/small@champion"]
    card.write_text("another card")
    assert brought(found).versions == [version]
    assert client_of(found).get_model_version("small", version.version).description == "another card"


def test_a_study_of_several_tasks_has_no_champion_over_all_and_loses_the_one_it_had(study: Trained) -> None:
    some = brought(study).versions[0]
    client_of(study).set_registered_model_alias("small", "champion", some.version)
    brought(study)
    (model,) = client_of(study).search_registered_models("name = 'small'")
    assert sorted(model.aliases) == ["champion-clean", "champion-uniform-0-4"]


def test_a_tie_for_the_champion_is_named(study: Trained) -> None:
    files = sorted(study.paths.best.glob("*-clean.yaml"))
    before = [file.read_text() for file in files]
    try:
        for file, text in zip(files, before, strict=True):
            mean = read_export(file)["validation"]["mean"]
            file.write_text(text.replace(f"mean: {mean}", "mean: 0.25"))
        found = register(files, study.paths, study.home)
    finally:
        for file, text in zip(files, before, strict=True):
            file.write_text(text)
    assert [version.aliases for version in found.versions] == [("champion-clean",), ()]
    assert found.notes == [
        "champion-clean: ce and msl tie at a validation mean of 0.2500; "
        "ce has the alias because it comes first in the study"
    ]


def test_a_network_with_attached_modules_loads_by_its_version_and_from_its_safetensors(
    study: Trained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    version = next(each for each in brought(study).versions if each.file.startswith("msl"))
    images = torch.randint(0, 256, (1, 1, 8, 8), dtype=torch.uint8)
    expected = load_network(study.paths.best / version.file)
    with torch.no_grad():
        traced = load(study, f"models:/small/{version.version}", monkeypatch)(images)
        torch.testing.assert_close(traced, expected(images))
    source = client_of(study).get_model_version("small", version.version).source
    inside = Path(source.removeprefix("file://"), version.file)
    with torch.no_grad():
        assert torch.equal(load_network(inside)(images), expected(images))


def test_registering_again_makes_no_second_version(study: Trained) -> None:
    first, second = brought(study), brought(study)
    assert first.versions == second.versions
    assert len(client_of(study).search_model_versions("name = 'small'")) == 4


def test_a_version_that_cannot_be_made_leaves_nothing_behind(
    make_spec: SpecMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    found = lone_study(make_spec, tmp_path)
    before = sorted(found.home.mlflow_artifacts.rglob("*"))

    def refuse(*_: Any, **__: Any) -> Any:
        raise mlflow.MlflowException("no room\nfor more")

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "create_model_version", refuse)
        with pytest.raises(StudyError, match=r"MLflow at sqlite:///.*: no room; registered before this stays"):
            brought(found)
    assert client_of(found).search_registered_models() == []
    left = [path for path in sorted(found.home.mlflow_artifacts.rglob("*")) if path.is_file()]
    assert left == [path for path in before if path.is_file()]
    assert len(brought(found).versions) == 1
    assert removed(found) == "small"
    assert client_of(found).search_registered_models() == []


def test_a_model_of_that_name_which_is_not_ours_is_left_alone(
    make_spec: SpecMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = lone_study(make_spec, tmp_path)
    client = client_of(found)
    client.create_registered_model("small", tags={"study.name": "small", "study.id": "f" * 32})
    first, second = brought(found), brought(found)
    with found.ledger() as ledger:
        own = f"small-{ledger.identity()[:8]}"
    assert first == second
    assert first.champions == [f"models:/{own}@champion"]
    assert f"'small' of someone else is there: the study's is '{own}'" in first.notes[0]
    load(found, first.champions[0], monkeypatch)
    assert client.search_model_versions("name = 'small'") == []
    assert removed(found) == "small"
    assert [model.name for model in client.search_registered_models()] == ["small"]


def test_a_model_that_was_registered_before_models_had_an_id_goes_on(make_spec: SpecMaker, tmp_path: Path) -> None:
    found = lone_study(make_spec, tmp_path)
    registered, client = brought(found), client_of(found)
    client.delete_registered_model_tag("small", "study.id")
    assert brought(found) == registered
    assert client.get_registered_model("small").tags.keys() == {"study.name", "study.id"}


def test_a_network_that_cannot_be_traced_is_a_pickle_and_says_what_that_means(
    make_spec: SpecMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "branching_net.py").write_text(BRANCHING)
    monkeypatch.syspath_prepend(tmp_path)
    spec = make_spec(
        families=["ce"],
        noise__rate=0.0,
        training__epochs=1,
        search__repeats=1,
        model={"name": "branching_net:Branching"},
        tracking={"enabled": True},
    )
    found = train(tmp_path / "home", spec)
    track(found)
    export_study(found.paths, found.paths.best)
    registered = brought(found)
    assert [version.form for version in registered.versions] == ["pickle"]
    assert "registered as a pickle" in registered.notes[0]
    assert registered.champions == ["models:/small@champion"]
    images = torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8)
    with torch.no_grad():
        expected = load_network(found.paths.best / "ce.yaml")(images)
        assert torch.equal(load(found, registered.champions[0], monkeypatch)(images), expected)
    sys.modules.pop("branching_net", None)


def test_a_study_that_mlflow_does_not_know_is_told_what_to_do(make_spec: SpecMaker, tmp_path: Path) -> None:
    short: dict[str, Any] = {"families": ["ce"], "noise__rate": 0.0, "training__epochs": 1, "search__repeats": 1}
    for name, tracking, said in (
        ("off", {"enabled": False}, "has tracking switched off; --register needs an MLflow store"),
        ("on", {"enabled": True}, "MLflow lacks runs of 'small'; bring it level first: study sync small"),
    ):
        found = train(tmp_path / name, make_spec(**short, tracking=tracking))
        export_study(found.paths, found.paths.best)
        with pytest.raises(StudyError, match=said):
            brought(found)


def test_a_home_that_was_moved_is_not_written_to_where_it_was(study: Trained, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(study.home.root, tmp_path / "moved")
    with Ledger(tmp_path / "moved" / "small" / "ledger.db", write=True) as ledger:
        (old,) = ledger.stores()
        ledger.record_tracked(old.replace(str(study.home.root), str(tmp_path / "moved")), [
            (key, *found) for key, found in ledger.tracked(old).items()
        ])  # fmt: skip
    home = type(study.home)(tmp_path / "moved")
    with pytest.raises(StudyError, match=r"the studies' home was moved; delete .*mlflow\.db, then study sync small"):
        register(sorted(home.study("small").best.glob("*.yaml")), home.study("small"), home)
