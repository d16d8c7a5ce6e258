"""The shipped studies: each loads, says where it comes from and what it costs, and has its paper's numbers."""

from __future__ import annotations

import json
import re
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from study.cli import app
from study.planning.plan import Config, make_plan
from study.records.ledger import CONFIRM
from study.records.paths import find_study_file, preset_names
from study.spec import StudySpec
from study.spec.paper import PaperNumber
from study.spec.preset import read_notes, read_preset, read_presets
from study.spec.spaces import Distribution
from study.spec.study_file import load_spec
from trainables.trial import SEARCH

OF_PAPERS = [name for name in preset_names() if name != "quickstart"]
TABLES_AND_FIGURES = [
    "tce-table1", "tce-table2-mnist", "tce-table2-cifar10", "tce-table2-svhn", "tce-fig2", "tce-fig3",
    "mcel-table1-cifar10", "mcel-table1-cifar100", "mcel-table2", "mcel-table3", "mcel-fig3", "mcel-fig4", "mcel-fig5",
    "simloss-ages", "simloss-ages-afad", "simloss-cifar100",
    "msl-fig3", "msl-fig4", "msl-fig5", "msl-fig7", "msl-table2", "msl-table3",
]  # fmt: skip
COUNTS = re.compile(r"(\d+) trials of (\d+)(?: to (\d+))? epochs, (?:then (\d+)|none) to confirm: ")
SETTING = re.compile(r"--set (?:'([^']+)'|([^\s']+))")


def numbers(name: str) -> tuple[PaperNumber, ...]:
    paper = read_preset(name).paper
    assert paper is not None
    return tuple(paper.numbers)


def values(name: str, **where: Any) -> list[float]:
    """The values of a preset's numbers that have all of `where`, in their order."""
    return [
        number.value for number in numbers(name) if all(getattr(number, key) == wanted for key, wanted in where.items())
    ]


def tasks(values: dict[str, Any], key: str) -> list[Any]:
    """What a study file's key makes tasks of: a list, or the one that stands for it."""
    value = values.get(key) if key != "noise" else values.get("noise", {}).get("rate", 0.0)
    return value if isinstance(value, list) else [value]


def model_name(model: Any) -> str:
    """A network as reports call it."""
    return " ".join([model["name"], *(f"{key}={value}" for key, value in model.items() if key != "name")])


def configs(spec: StudySpec) -> list[int]:
    """How many points each family's grid has."""
    spaces = [family.full_space().values() for family in spec.families]
    return [prod(len(value.points()) for value in space if isinstance(value, Distribution)) for space in spaces]


def test_every_table_and_figure_has_a_preset() -> None:
    assert sorted(TABLES_AND_FIGURES) == OF_PAPERS


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_is_a_study_of_its_files_name_with_a_page_on_top(name: str) -> None:
    spec, document = load_spec(find_study_file(name))
    preset = read_preset(name)
    assert spec.name == name
    assert re.fullmatch(r"([^.]|\.\d)+\.", spec.description), "one sentence"
    assert document.text.startswith(f"# {name}: ")
    assert max(map(len, document.text.splitlines())) <= 120
    wanted = {"Source", "Command", "Cost"} | ({"Protocol", "Deviations"} if preset.paper else set())
    assert preset.notes.keys() == wanted
    assert any(line.startswith(f"study launch {name}") for line in preset.notes["Command"])


@pytest.mark.parametrize("name", OF_PAPERS)
def test_a_papers_preset_says_how_its_cost_is_known(name: str) -> None:
    assert re.search(r"Estimated .* measured\.", " ".join(read_preset(name).notes["Cost"]))


@pytest.mark.parametrize("name", OF_PAPERS)
def test_the_cost_counts_the_trials_that_the_file_asks_for(name: str) -> None:
    spec, document = load_spec(find_study_file(name))
    counted = COUNTS.match(read_preset(name).cost)
    assert counted, read_preset(name).cost
    trials, epochs, _, confirmed = (int(each) if each else None for each in counted.groups())
    num_tasks = prod(len(tasks(document.values, key)) for key in ("dataset", "noise", "model"))
    assert trials == num_tasks * sum(configs(spec)) * spec.search.repeats
    winners = sum(min(each, spec.confirm.top) for each in configs(spec))
    assert confirmed in (None, num_tasks * winners * spec.confirm.repeats)
    assert (confirmed is None) == (f"study confirm {name}" not in read_preset(name).notes["Command"])
    if spec.training.epochs is not None:
        assert epochs == spec.training.epochs


@pytest.mark.parametrize("name", OF_PAPERS)
def test_a_papers_numbers_belong_to_tasks_of_the_study(name: str) -> None:
    document = load_spec(find_study_file(name))[1]
    models = [model_name(model) for model in tasks(document.values, "model")]
    rates = tasks(document.values, "noise")
    several = {"model": len(models) > 1, "noise_rate": len(rates) > 1}
    for number in numbers(name):
        assert number.model in (models if several["model"] else [None])
        assert number.noise_rate in (rates if several["noise_rate"] else [None, *rates])
    seen = [
        (each.family, each.dataset, each.model, each.noise_rate, each.metric, each.quoted) for each in numbers(name)
    ]
    assert len(set(seen)) == len(seen), "each number stands once"


@pytest.mark.parametrize("name", OF_PAPERS)
def test_a_preset_says_where_its_paper_has_no_numbers(name: str) -> None:
    paper = read_preset(name).paper
    assert paper is not None
    assert paper.numbers or re.search("only drawn|not at hand", paper.note)
    assert not (name.startswith("simloss") and paper.numbers)


@pytest.mark.parametrize("name", OF_PAPERS)
def test_every_setting_that_a_preset_recommends_makes_a_study(name: str, tmp_path: Path) -> None:
    (tmp_path / "matrix.npy").touch()
    lines = [line for lines in read_preset(name).notes.values() for line in lines]
    text = " ".join(line for line in lines if not line.startswith("study data"))
    settings = [quoted or plain.rstrip(").,;:") for quoted, plain in SETTING.findall(text)]
    assert settings
    for setting in settings:
        load_spec(find_study_file(name), [setting.replace("/PATH", str(tmp_path / "matrix.npy"))])


def test_what_a_preset_fetches_is_all_that_its_study_reads() -> None:
    for name in OF_PAPERS:
        spec, _ = load_spec(find_study_file(name))
        fetches = [line for line in read_preset(name).notes["Command"] if line.startswith("study data fetch svhn")]
        with_extra = any(dataset.described.get("extra") for dataset in spec.dataset)
        assert all(line.endswith("--set extra=true") == with_extra for line in fetches), name


# -- the papers' numbers, typed a second time -----------------------------------------------------------------------

SUMS = {  # of all values that a preset quotes, added up from the papers' rows
    "tce-table1": (35, 1576.16),
    "tce-table2-mnist": (19, 1793.64),
    "tce-table2-cifar10": (21, 1491.77),
    "tce-table2-svhn": (18, 1669.97),
    "tce-fig3": (12, 517.33 + 350.86),
    "mcel-table1-cifar10": (4, 355.82),
    "mcel-table1-cifar100": (4, 259.16),
    "mcel-table2": (8, 686.516),
    "mcel-table3": (7, 559.11),
    "msl-fig3": (11, 68.00),
    "msl-fig4": (7, 196.37),
    "msl-fig5": (7, 14.15),
    "msl-fig7": (6, 43.96),
    "msl-table2": (7, 216.14),
    "msl-table3": (8, 252.51),
}


@pytest.mark.parametrize("name", OF_PAPERS)
def test_a_papers_numbers_add_up(name: str) -> None:
    count, total = SUMS.get(name, (0, 0.0))
    assert len(numbers(name)) == count
    assert sum(values(name)) == pytest.approx(total, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "where", "printed"),
    [
        ("tce-table1", {"family": "ce"}, [68.18, 61.16, 54.52, 44.08, 20.30]),
        ("tce-table1", {"family": "mae"}, [1, 1, 1, 1, 1]),
        ("tce-table1", {"noise_rate": 0.6}, [44.08, 42.48, 1.00, 48.10, 51.59, 53.76, 52.09]),
        ("tce-table2-mnist", {"family": "mae"}, [10.28]),
        ("tce-table2-mnist", {"noise_rate": 0.8}, [97.77, 98.01, 10.28, 98.02, 98.09, 98.17, 98.76]),
        ("tce-table2-cifar10", {"family": "tce-2.0"}, [91.82, 88.40, 72.95]),
        ("tce-table2-cifar10", {"noise_rate": 0.0}, [92.10, 92.15, 10.00, 92.13, 91.99, 91.79, 91.82]),
        ("tce-table2-svhn", {"family": "mae"}, []),
        ("tce-table2-svhn", {"noise_rate": 0.4}, [93.77, 94.21, 93.94, 94.56, 95.51, 96.15]),
        ("mcel-table1-cifar10", {"family": "ce", "quoted": True}, [88.28, 90.29]),
        ("mcel-table1-cifar100", {"family": "mcel-0.35"}, [63.79, 67.99]),
        ("mcel-table2", {"metric": "top5_accuracy"}, [93.3, 93.89, 93.982, 94.13]),
        ("mcel-table2", {"quoted": True}, [77.00, 93.3]),
        ("mcel-table3", {"dataset": "cifar10", "quoted": False}, [91.77, 92.02, 91.91]),
        ("mcel-table3", {"dataset": "cifar100"}, [63.34, 63.72, 63.86]),
        ("msl-fig3", {"family": "msl"}, [7.11, 7.07, 6.25, 5.48, 3.72]),
        ("msl-fig4", {"model": "vgg16"}, [31.85, 30.53]),
        ("msl-fig5", {"model": "wrn28_10"}, [1.81, 1.64]),
        ("msl-fig7", {"family": "ce"}, [9.45, 7.02, 6.48]),
        ("msl-table2", {"family": "config5"}, [30.61]),
        ("msl-table3", {}, [31.82, 31.81, 31.84, 31.85, 31.83, 31.77, 31.06, 30.53]),
    ],
)
def test_numbers_are_those_printed(name: str, where: dict[str, Any], printed: list[float]) -> None:
    assert values(name, **where) == printed


def test_spreads_are_those_printed() -> None:
    spreads = [number.sd for number in numbers("mcel-table3") if not number.quoted]
    assert spreads == [0.15, 0.16, 0.20, 0.10, 0.27, 0.49]


def test_accuracies_beside_speed_are_those_of_the_tables() -> None:
    for dataset, table in (("cifar10", "tce-table2-cifar10"), ("cifar100", "tce-table1")):
        of_table = [each.value for each in numbers(table) if each.noise_rate == 0.4 and each.family != "mae"]
        assert values("tce-fig3", dataset=dataset) == of_table


# -- reading and listing them ---------------------------------------------------------------------------------------


def test_notes_are_lines_of_a_command_items_of_a_list_or_a_paragraph() -> None:
    text = "# x: a title\n#\n# Source    one\n#           two.\n# Command   a b\n#           c\n"
    text += "# Deviations  - first,\n#               goes on\n#             - second\nname: x\n# Cost      none\n"
    assert read_notes(text) == {
        "Source": ["one two."],
        "Command": ["a b", "c"],
        "Deviations": ["first, goes on", "second"],
    }


def test_the_first_preset_is_the_one_to_begin_with() -> None:
    names = [preset.name for preset in read_presets()]
    assert names[0] == "quickstart"
    assert names[1:] == OF_PAPERS


def test_a_preset_without_a_paper_has_its_notes_source() -> None:
    quickstart = read_preset("quickstart")
    assert quickstart.source.startswith("scikit-learn's digits")
    assert quickstart.cost == "about a minute on two cores"


@pytest.mark.parametrize("columns", [80, 140])
def test_the_list_shows_every_name_whole(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.cli.presets.console.width", columns)
    shown = CliRunner().invoke(app, ["presets"]).stdout
    assert all(name in shown for name in preset_names())
    assert max(map(len, shown.splitlines())) <= columns


def test_the_list_as_json_has_the_papers_numbers() -> None:
    rows = json.loads(CliRunner().invoke(app, ["presets", "--json"]).stdout)
    table = next(row for row in rows if row["preset"] == "tce-table1")
    assert table["source"] == "Martinez and Stiefelhagen (TCE), table 1"
    assert table["paper"]["numbers"][0] == {"family": "ce", "noise_rate": 0.0, "value": 68.18}
    assert len(table["notes"]["Deviations"]) == 3
    assert table["cost"].startswith("35 trials of 256 epochs")


def test_every_l_of_the_quickstart_leaves_likenesses_that_are_not_cross_entropys(tmp_path: Path) -> None:
    from trainables.data.task import load_task
    from trainables.losses import make_loss

    spec = load_spec(find_study_file("quickstart"))[0]
    cells = [cell for cell in make_plan(spec, tmp_path).cells if cell.family.family == "simloss"]
    cuts = cells[0].family.full_space()["l"].points()
    assert (len(cells), len(cuts)) == (2, 3)
    for cell, repeat, phase in product(cells, range(3), (SEARCH, CONFIRM)):
        trial = Config(cell, 0, {"l": 0.0}).trial(repeat, phase)
        data = load_task(trial["dataset"], trial["split"], trial["noise"], tmp_path)
        likeness = data.likeness("lda").copy()  # of noisy labels too, among which classes are less alike
        assert not any(make_loss("simloss", num_classes=10, similarity=likeness, l=cut).warnings() for cut in cuts)
        assert make_loss("simloss", num_classes=10, similarity=likeness, l=0.5).warnings()
