"""The study file: what is understood, and what is refused in one line that names the place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from study.errors import StudyError
from study.records.paths import find_study_file
from study.spec.spaces import Distribution
from study.spec.study_file import load_spec, parse_spec
from study.spec.yaml_file import MAX_VALUES, parse_document
from tests.study.conftest import SMALL
from tests.study.study_files import changed, parse, refusal

QUICKSTART = find_study_file("quickstart").read_text()


# -- YAML 1.2 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "value"), [("1e-3", 0.001), ("5E-2", 0.05), ("1", 1.0), ("+.5", 0.5)])
def test_numbers_are_those_of_yaml_1_2(text: str, value: float) -> None:
    assert parse(changed("lr: 0.05", f"lr: {text}")).training.optimizer.lr == value


@pytest.mark.parametrize("word", ["on", "no", "off", "yes", "y"])
def test_short_words_are_text_and_not_booleans(word: str) -> None:
    assert parse(changed("name: small", f"name: {word}")).name == word


def test_anchors_and_aliases_stand_for_what_they_name() -> None:
    twice = changed("  - ce\n", "  - {family: tce, label: first, space: {alpha: &a {grid: [0.5, 1.0]}}}\n")
    twice = twice.replace("alpha: {grid: [0.5, 1.0, 1.5]}", "alpha: *a")
    first, second = parse(twice).families
    assert first.space == second.space == {"alpha": Distribution("grid", (0.5, 1.0))}


def test_merge_keys_bring_their_mapping() -> None:
    merged = changed("  epochs: 9\n", "  <<: {epochs: 4, batch_size: 32}\n  batch_size: 16\n")
    assert (parse(merged).training.epochs, parse(merged).training.batch_size) == (4, 16)


def test_a_key_given_twice_is_refused_with_its_line() -> None:
    assert refusal(changed("seed: 3\n", "seed: 3\nseed: 4\n")).startswith("small.yaml:3: not YAML: found duplicate key")
    assert refusal(changed("    lr: 0.05\n", "    lr: 0.05\n    lr: 0.1\n")).startswith("small.yaml:16: ")


# -- refusals -------------------------------------------------------------------------------------------------------

MISTAKES = {
    # mistake: (text, start of the message, what must follow)
    "unknown family": (
        changed("family: tce", "family: tcee"),
        "small.yaml:8: families.1: unknown family 'tcee'; did you mean 'tce'?",
        "families: bootstrap, ce, elr",
    ),
    "unknown family in short": (changed("- ce", "- cee"), "small.yaml:7: families.0: unknown", "did you mean 'ce'"),
    "epsilon of one half": (
        changed("family: tce", "family: mcel").replace("alpha: {grid: [0.5, 1.0, 1.5]}", "epsilon: 0.5"),
        "small.yaml:10: families.1.space.epsilon",
        "epsilon = 0.5 is outside [0, 0.5)",
    ),
    "epsilon of one half in a grid": (
        changed("family: tce", "family: mcel").replace("alpha: {grid: [0.5, 1.0, 1.5]}", "epsilon: {grid: [0.1, 0.5]}"),
        "small.yaml:10: families.1.space.epsilon",
        "epsilon = 0.5 is outside [0, 0.5)",
    ),
    "negative learning rate": (
        changed("lr: 0.05", "lr: -0.05"),
        "small.yaml:15: training.optimizer.lr",
        "lr = -0.05 is outside (0, inf): a learning rate is positive",
    ),
    "negative learning rates in an interval": (
        changed("lr: 0.05", "lr: {uniform: [-0.1, 0.1]}"),
        "small.yaml:15: training.optimizer.lr",
        "lr = -0.1 is outside (0, inf)",
    ),
    "negative learning rate of one family": (
        changed("alpha: {grid", "training.optimizer.lr: -1\n      alpha: {grid"),
        "small.yaml:10: families.1.space.training.optimizer.lr",
        "lr = -1 is outside (0, inf)",
    ),
    "empty grid": (
        changed("[0.5, 1.0, 1.5]", "[]"),
        "small.yaml:10: families.1.space.alpha: the grid has no points",
        "give at least one",
    ),
    "grid point named twice": (
        changed("[0.5, 1.0, 1.5]", "[1, 1.0]"),
        "small.yaml:10: families.1.space.alpha",
        "names a point twice",
    ),
    "data root that does not exist": (
        changed("holdout: 0.2", "root: /no/where"),
        "small.yaml:3: dataset.root: no folder /no/where",
        "give the folder",
    ),
    "unknown data set": (changed("digits", "digit"), "small.yaml:3: dataset.name", "did you mean 'digits'"),
    "unknown network": (changed("name: mlp", "name: mpl"), "small.yaml:5: model", "did you mean 'mlp'"),
    "unknown argument of a network": (changed("hidden", "hiden"), "small.yaml:5: model", "did you mean 'hidden'"),
    "unknown noise of a paper's number": (
        changed("seed: 3", "paper: {source: us, numbers: [{family: ce, value: 9, noise: unifrm}]}"),
        "small.yaml:2: paper.numbers.0.noise: unknown noise 'unifrm'",
        "did you mean 'uniform'",
    ),
    "unknown optimiser": (
        changed("name: sgd", "name: sdg"),
        "small.yaml:13: training.optimizer",
        "did you mean 'sgd'? known: sgd, adam, adamw",
    ),
    "optimiser without a name": (
        changed("    name: sgd\n", ""),
        "small.yaml:13: training.optimizer.name is missing",
        "study schema",
    ),
    "unknown hyperparameter": (
        changed("alpha:", "alfa:"),
        "small.yaml:10: families.1.space.alfa: unknown hyperparameter 'alfa'",
        "did you mean 'alpha'",
    ),
    "unknown distribution": (changed("{grid:", "{gird:"), "small.yaml:10: ", "did you mean 'grid'"),
    "interval the wrong way round": (
        changed("{grid: [0.5, 1.0, 1.5]}", "{uniform: [2, 1]}"),
        "small.yaml:10: ",
        "empty",
    ),
    "loguniform from zero": (changed("lr: 0.05", "lr: {loguniform: [0, 1]}"), "small.yaml:15: ", "must lie above 0"),
    "interval in a grid search": (
        changed("{grid: [0.5, 1.0, 1.5]}", "{uniform: [0.5, 1.5]}"),
        "small.yaml:10: ",
        "alpha is uniform, which a grid search cannot list; give it a grid of points",
    ),
    "interval of learning rates in a grid search": (
        changed("lr: 0.05", "lr: {loguniform: [0.01, 0.1]}"),
        "small.yaml:15: ",
        "which a grid search cannot list",
    ),
    "random search without a number": (
        changed("{name: grid,", "{name: random,"),
        "small.yaml:16: search 'random' needs a number of configs",
        "configs: 16",
    ),
    "more grace than epochs": (
        SMALL + "scheduler:\n  name: asha\n  grace_epochs: 20\n",
        "small.yaml:20: scheduler.grace_epochs = 20 is more than training.epochs = 9",
        "",
    ),
    "noise rate above 1": (
        changed("[0.0, 0.4]", "[0.0, 1.4]"),
        "small.yaml:4: noise.rate.1 = 1.4",
        "less than or equal",
    ),
    "noise rate twice": (changed("[0.0, 0.4]", "[0.4, 0.4]"), "small.yaml:4: noise.rate", "named twice"),
    "no noise rate": (changed("[0.0, 0.4]", "[]"), "small.yaml:4: noise.rate = []: it should have", ""),
    "noise rate in percent": (
        changed("[0.0, 0.4]", "30%"),
        'small.yaml:4: noise.rate = "30%": it should be a number; 30% is 0.3',
        "",
    ),
    "empty noise": (
        changed("noise: {kind: uniform, rate: [0.0, 0.4]}", "noise:"),
        "small.yaml:4: noise is empty",
        "give it a value, or leave the key out",
    ),
    "empty noise in a list": (
        changed("{kind: uniform, rate: [0.0, 0.4]}", "[null]"),
        "small.yaml:4: noise.0 is empty",
        "",
    ),
    "a word for a noise": (
        changed("{kind: uniform, rate: [0.0, 0.4]}", "uniform"),
        'small.yaml:4: noise = "uniform": it should be a mapping, {key: value, ...}',
        "study schema",
    ),
    "a word for a list": (
        SMALL[: SMALL.index("families:")] + "families: ce\n" + SMALL[SMALL.index("training:") :],
        'small.yaml:6: families = "ce": it should be a list',
        "",
    ),
    "hyperparameter of another family": (changed("family: tce", "family: ce"), "small.yaml:10: ", "has: none"),
    "label twice": (changed("- ce", "- tce"), "small.yaml:6: families", "named twice"),
    "holdout of everything": (
        changed("holdout: 0.2", "holdout: 1.0"),
        "small.yaml:3: dataset.holdout = 1.0",
        "a share below 1, or a whole number from 2",
    ),
    "half an epoch": (
        changed("epochs: 9", "epochs: 2.5"),
        "small.yaml:12: training.epochs = 2.5: it should be a whole number",
        "",
    ),
    "no epochs": (
        changed("epochs: 9", "epochs: 0"),
        "small.yaml:12: training.epochs = 0",
        "greater than or equal to 1",
    ),
    "name that leaves the folder": (changed("name: small", "name: ../small"), "small.yaml:1: name", "letters, digits"),
    "infinite number": (changed("lr: 0.05", "lr: .inf"), "small.yaml:15: ", "outside (0, inf)"),
    "not a number": (changed("lr: 0.05", "lr: .nan"), "small.yaml:15: ", "outside (0, inf)"),
    "a word for a number": (changed("lr: 0.05", "lr: fast"), "small.yaml:15: ", "'fast' is not a number"),
    "missing value": (changed("  epochs: 9\n", ""), "small.yaml:11: training.epochs is missing", "add it"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_with_its_line_and_the_next_step(mistake: str) -> None:
    text, start, further = MISTAKES[mistake]
    said = refusal(text)
    assert said.startswith(start)
    assert further in said


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("{name: words, path: absent.bin}", "similarity.path"),
        ("{grid: [lda, {name: file, path: absent.bin}]}", "similarity.grid.1.path"),
    ],
)
def test_a_file_that_is_missing_is_named_with_its_whole_key(value: str, key: str, tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(
        changed("family: tce", "family: mcel").replace("alpha: {grid: [0.5, 1.0, 1.5]}", f"similarity: {value}")
    )
    with pytest.raises(StudyError, match=rf"small\.yaml:10: families\.1\.space\.{key}: there is no file .*absent\.bin"):
        load_spec(file)


UNKNOWN_KEYS = {
    # where: (old, new, line, wrong key, right key)
    "study": ("seed: 3", "sed: 3", 2, "sed", "seed"),
    "dataset": ("holdout", "hold_out", 3, "dataset.hold_out", "holdout"),
    "noise": ("kind: uniform", "kin: uniform", 4, "noise.kin", "kind"),
    "family": ("    space:", "    spaces:", 9, "families.1.spaces", "space"),
    "training": ("epochs: 9", "epoch: 9", 12, "training.epoch", "epochs"),
    "optimizer": ("    lr: 0.05", "    lrr: 0.05", 15, "training.optimizer.lrr", "lr"),
    "search": ("repeats: 2", "repeat: 2", 16, "search.repeat", "repeats"),
    "tracking": ("enabled", "enable", 17, "tracking.enable", "enabled"),
    "schedule": (
        "epochs: 9\n",
        "epochs: 9\n  schedule: {name: multistep, milestone: [1]}\n",
        13,
        "milestone",
        "milestones",
    ),
    "scheduler": ("seed: 3", "scheduler: {name: asha, grace: 1}", 2, "scheduler.grace", "grace_epochs"),
    "select": ("seed: 3", "select: {metrik: val_loss}", 2, "select.metrik", "metric"),
    "resources": ("seed: 3", "resources: {cpu: 1}", 2, "resources.cpu", "cpus"),
}


@pytest.mark.parametrize("level", UNKNOWN_KEYS)
def test_an_unknown_key_is_refused_at_every_level_with_its_line_and_the_nearest(level: str) -> None:
    old, new, line, wrong, right = UNKNOWN_KEYS[level]
    said = refusal(changed(old, new))
    assert re.match(rf"small\.yaml:{line}: .*{re.escape(wrong)}: unknown key", said), said
    assert f"did you mean '{right}'?" in said


def test_the_first_of_several_mistakes_is_named_and_the_others_follow_a_line_each() -> None:
    text = changed("seed: 3", "seed: -3").replace("holdout: 0.2", "holdout: 1.5").replace("repeats: 2", "repeats: 0")
    with pytest.raises(StudyError) as refused:
        parse(text)
    assert str(refused.value).startswith("small.yaml:2: seed = -3")
    assert str(refused.value).endswith("; 2 more mistakes are in the file")
    lines = [i for i, line in enumerate(text.splitlines(), 1) if "1.5}" in line or "repeats: 0" in line]
    starts = [
        f"small.yaml:{at}: {what} = " for at, what in zip(lines, ("dataset.holdout", "search.repeats"), strict=True)
    ]
    assert [each.startswith(start) for each, start in zip(refused.value.further, starts, strict=True)] == [True, True]
    assert refusal(text.replace("repeats: 0", "repeats: 2")).endswith("; 1 more mistake is in the file")
    assert "more mistake" not in refusal(changed("seed: 3", "seed: -3"))


def test_a_file_of_mistakes_shows_ten_beside_the_first() -> None:
    losses = "".join(f"  - {{family: unknown_{i}}}\n" for i in range(14))
    with pytest.raises(StudyError) as refused:
        parse(changed("  - ce\n", losses))
    assert [len(refused.value.further), refused.value.further[-1]] == [11, "and 3 more"]
    assert "unknown_10" in refused.value.further[-2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: [small\nfamilies: {", "small.yaml:2: not YAML: "),
        ("a: b: c", "small.yaml:1: not YAML: "),
        ("\tname: x", "small.yaml:1: not YAML: "),
        ("name: *nobody", "small.yaml:1: not YAML: found undefined alias"),
        ("name: !python/object x", "small.yaml:1: not YAML: could not determine a constructor"),
        ("seed: !!int ''", "small.yaml: not YAML: "),
        ("tracking: !!bool x", "small.yaml: not YAML: "),
        ("name: a\n---\nname: b", "small.yaml:2: not YAML: "),
        ("name: \x00", "small.yaml: not YAML: "),
        ("- small", "small.yaml: the file is a list, not a study"),
        ("small", "small.yaml: the file is a str, not a study"),
        ("", "small.yaml: the file is empty, not a study"),
        ("# nothing but a remark\n", "small.yaml: the file is empty, not a study"),
        ("1: x", "small.yaml: key 1 is not text; quote it"),
        ("description: 2020-01-01", "small.yaml: 2020-01-01 (date) is neither text nor a number; quote it"),
        ("description: !!binary aGk=", "small.yaml: b'hi' (bytes) is neither text nor a number"),
    ],
)
def test_a_file_that_is_not_a_yaml_mapping_is_refused(text: str, expected: str) -> None:
    assert refusal(text).startswith(expected)


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 700 + "]" * 700,
        "a: " + "[" * 100 + "]" * 100,
        "a: &a [*a]",
        "a: &a {b: *a}",
        "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)),
        "a: [" + "1, " * (MAX_VALUES + 1) + "1]",
    ],
    ids=["very deep", "deep", "list in itself", "mapping in itself", "aliases that multiply", "long"],
)
def test_a_file_without_end_is_refused_and_not_unfolded(text: str) -> None:
    assert refusal(text).startswith("small.yaml: ")


def test_a_long_description_is_no_mistake() -> None:
    assert len(parse(SMALL + f"description: {'x' * 500_000}\n").description) == 500_000


@pytest.mark.parametrize("field", ["seed: 3", "epochs: 9", "lr: 0.05", "hidden: 8"])
def test_a_number_that_no_computer_holds_is_refused(field: str) -> None:
    name = field.partition(":")[0]
    assert "too large a number" in refusal(changed(field, f"{name}: 1{'0' * 400}"))
    assert "not YAML" in refusal(changed(field, f"{name}: 1{'0' * 5000}"))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(bytes(range(256)))
    with pytest.raises(StudyError, match=r"binary\.yaml: cannot be read as text"):
        load_spec(binary)
    with pytest.raises(StudyError, match=r"absent\.yaml: no such file; 'study presets' lists the shipped studies"):
        load_spec(tmp_path / "absent.yaml")
    with pytest.raises(StudyError, match="cannot be read as text"):
        load_spec(tmp_path)


@pytest.mark.parametrize(
    "mistake",
    ['"a\\nb": 1\n' + SMALL, changed("family: tce", 'family: "t\\nce"'), changed("digits", '"dig\\nits"')],
    ids=["key", "family", "data set"],
)
def test_line_breaks_in_a_value_do_not_break_the_message(mistake: str) -> None:
    assert "\\n" in refusal(mistake)


# -- short forms ----------------------------------------------------------------------------------------------------


def test_short_forms_mean_their_long_ones() -> None:
    long = parse(SMALL + "scheduler: {name: asha}\n")
    short = changed("{name: digits, holdout: 0.2}", "digits").replace("rate: [0.0, 0.4]", "rate: 0.4")
    found = parse(short + "scheduler: asha\n")
    assert found.dataset == long.dataset
    assert found.noise[0].rate == [0.4]
    assert found.scheduler == long.scheduler
    assert found.families[0] == parse(changed("- ce", "- {family: ce}")).families[0]
    assert parse(changed("{name: mlp, hidden: 8}", "small_cnn")).model[0].name == "small_cnn"
    assert parse(changed("training:\n", "training:\n  schedule: constant\n")).training.schedule.name == "constant"


def test_a_family_without_a_space_takes_its_module_and_its_own_keys_go_over_it() -> None:
    own = parse(changed("- ce", "- {family: mcel, space: {epsilon: 0.2}}")).families[0]
    assert own.full_space() == {"epsilon": 0.2, "similarity": "lda"}
    module = parse(changed("- ce", "- mcel")).families[0].full_space()
    assert isinstance(module["epsilon"], Distribution)
    assert len(module["epsilon"].points()) > 1


# -- whatever is written --------------------------------------------------------------------------------------------

SNIPPETS = [
    *["null", "[]", "{}", "-1", "0", "1.5", "1e400", "-.inf", ".nan", "true", "'", '"', "0x", "~", "2020-01-01"],
    *[
        "&a [*a]",
        "*a",
        "<<",
        "!!int x",
        "!!bool x",
        "!!float ''",
        "---",
        "...",
        "%YAML 1.1",
        "|",
        ">",
        "? ",
        ": ",
        "- ",
    ],
    *["{grid: []}", "{grid: [1, 1]}", "{uniform: [0, 1]}", "{integer: [0, 3]}", "{loguniform: [0, 1]}", "9" * 400],
    *[
        "tce",
        "ce",
        "name",
        "label",
        "family",
        "space",
        "alpha",
        "training.epochs",
        "multistep",
        "adamw",
        "asha",
        "grid",
    ],
    *["# ", "\t", "@", "`", '"\\n\\x1b"', "\x07", "\ufeff", "\u2028", "ε"],
]


@st.composite
def mutated_studies(draw: st.DrawFn) -> str:
    """The shipped study with a few words, lines or characters changed."""
    text = QUICKSTART
    for _ in range(draw(st.integers(1, 4))):
        new = draw(st.sampled_from(SNIPPETS) | st.text(max_size=6))
        match draw(st.sampled_from(["word", "line", "insert", "cut", "swap", "indent"])):
            case "word":
                words = list(re.finditer(r"[\w.]+|[\[\]{}:,-]", text))
                if words:
                    word = draw(st.sampled_from(words))
                    text = text[: word.start()] + new + text[word.end() :]
            case "insert":
                position = draw(st.integers(0, len(text)))
                text = text[:position] + new + text[position:]
            case "cut":
                start = draw(st.integers(0, len(text)))
                text = text[:start] + text[start + draw(st.integers(1, 40)) :]
            case action:
                lines = text.split("\n")
                one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
                if action == "line":
                    lines[one : one + 1] = draw(st.sampled_from([[], [lines[one]] * 2, [lines[one], new]]))
                elif action == "swap":
                    lines[one], lines[other] = lines[other], lines[one]
                else:
                    lines[one] = "  " + lines[one]
                text = "\n".join(lines)
    return text


@settings(max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(mutated_studies())
def test_any_text_is_a_study_or_refused_in_one_line(text: str) -> None:
    try:
        said = f"small.yaml is study {parse_spec(parse_document(text, 'small.yaml')).name}"
    except StudyError as refused:
        said = str(refused)
    assert len(said.splitlines()) == 1
    assert said.startswith("small.yaml")
