"""A study run small keeps what it is about and loses what takes long."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.errors import StudyError
from study.planning.smoke import shrink, try_full_networks
from study.records.paths import Home, find_study_file, preset_names
from study.spec import StudySpec
from study.spec.study_file import load_spec, parse_spec
from study.spec.yaml_file import parse_document
from trainables.data.fixtures import write_synthetic


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv("STUDY_DATA", raising=False)
    return Home(tmp_path / "studies")


def shrunk(preset: str, home: Home, *overrides: str) -> tuple[StudySpec, StudySpec]:
    spec, document = load_spec(find_study_file(preset), overrides)
    return spec, shrink(spec, document, home)


@pytest.mark.parametrize("preset", preset_names())
def test_families_noise_kinds_and_protocol_stay_while_size_and_length_shrink(preset: str, home: Home) -> None:
    spec, small = shrunk(preset, home)
    assert small.name == f"{preset}-smoke"
    assert [family.model_dump() for family in small.families] == [family.model_dump() for family in spec.families]
    assert {noise.kind for noise in small.noise} == {noise.kind for noise in spec.noise}
    assert (small.select, small.confirm.protocol) == (spec.select, spec.confirm.protocol)
    assert (small.training.epochs, small.search.configs, small.search.repeats) == (2, 2, 1)
    assert small.training.augment == spec.training.augment
    assert small.training.optimizer == spec.training.optimizer
    assert [dataset.name for dataset in small.dataset] == [dataset.name for dataset in spec.dataset]
    assert (small.paper and small.paper.source) == (spec.paper and spec.paper.source)
    assert not (small.paper and small.paper.numbers)
    assert "mean nothing" in small.description


def test_what_is_launched_is_written_down_as_it_was_shrunk(home: Home) -> None:
    spec, document = load_spec(find_study_file("tce-table2-mnist"), ["training.batch_size=32"])
    small = shrink(spec, document, home)
    assert parse_spec(parse_document(document.as_launched(), "study.yaml")) == small
    assert small.training.batch_size == 32


def test_real_files_are_cut_and_go_before_synthetic_ones(home: Home, tmp_path: Path) -> None:
    write_synthetic("cifar10", tmp_path / "mine", images_per_class=60)
    root = tmp_path / "mine"
    _, small = shrunk("tce-table2-cifar10", home, f"dataset.root={root}")
    (dataset,) = small.dataset
    assert (dataset.root, dataset.label, dataset.model_extra) == (str(root), "", {"limit": 400})
    _, without = shrunk("tce-table2-cifar10", home)
    assert without.dataset[0].label == "cifar10-synthetic"
    assert without.dataset[0].holdout == 0.2


def test_the_full_network_takes_a_step(home: Home) -> None:
    spec, small = shrunk("simloss-cifar100", home)
    (line,) = try_full_networks(spec, small, home)
    assert line.startswith("full network lenet on cifar100: 69,")
    assert "one step on two images in" in line


def test_a_full_network_that_its_images_are_too_small_for_is_named(home: Home) -> None:
    text = find_study_file("quickstart").read_text()
    document = parse_document(text, "quickstart.yaml")
    document.values["model"] = "vgg16"
    spec = parse_spec(document)
    small = shrink(spec, document, home)
    document.values["model"] = "age_cnn"
    too_large = parse_spec(document)
    with pytest.raises(StudyError, match=r"age_cnn on digits.*: age_cnn needs images of at least 60x60"):
        list(try_full_networks(too_large, small, home))
