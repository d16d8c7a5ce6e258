"""What is known of a cluster's nodes, and which modules travel there; the cluster itself is in tests/cluster."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from study.errors import StudyError
from study.running.cluster.code import travelling_modules
from study.running.cluster.node import Node, check_room, titles
from study.spec.running import ResourcesSpec
from trainables.files import cache_here
from trainables.own import PLATFORM, TRAVELLED


def node(name: str, **resources: float) -> Node:
    return Node(name * 8, name, resources)


@pytest.mark.parametrize(
    ("cpus", "gpus", "room"),
    [(1, 0, 8), (0.5, 0, 16), (0.3, 0, 26), (1, 0.25, 8), (0.1, 0.25, 16), (1, 0.4, 8), (0.1, 0.4, 8), (1, 2, 2)],
)
def test_so_many_processes_fit_on_a_node_and_no_gpu_is_cut_across(cpus: float, gpus: float, room: int) -> None:
    assert node("a", CPU=8, GPU=4).room(ResourcesSpec(cpus=cpus, gpus=gpus)) == room


def test_a_node_is_called_by_its_name_and_where_several_have_it_by_its_id_too() -> None:
    nodes = [Node("1" * 56, "same", {}), Node("2" * 56, "same", {}), Node("3" * 56, "other", {})]
    assert list(titles(nodes).values()) == ["same (11111111)", "same (22222222)", "other"]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"cpus": 9}, "no node of the cluster at head:1 has so many CPUs, big has most, 8; --set resources.cpus=8 or"),
        ({"gpus": 2}, "so many GPUs, gpu has most, 1; --set resources.gpus=1 or add a node"),
        ({"cpus": 8, "gpus": 1}, "no node of the cluster at head:1 has both"),
    ],
)
def test_more_than_any_node_has_is_refused(wanted: dict[str, float], said: str) -> None:
    nodes = [node("big", CPU=8), node("gpu", CPU=2, GPU=1)]
    with pytest.raises(StudyError) as refused:
        check_room(ResourcesSpec(**wanted), nodes, "head:1")
    assert said in str(refused.value)


def test_a_gpu_that_nobody_has_is_refused() -> None:
    with pytest.raises(StudyError, match=r"resources.gpus = 1: .* so many GPUs, none has any; add a node"):
        check_room(ResourcesSpec(gpus=1), [node("a", CPU=2)], "head:1")


def test_a_users_modules_travel_with_what_they_import_beside_them_and_nothing_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    (mine / "package_of_mine" / "inner").mkdir(parents=True)
    (mine / "loss_of_mine.py").write_text("import numpy\nimport torch\nimport beside_mine\nclass Loss: ...\n")
    (mine / "beside_mine.py").write_text("")
    (mine / "unused_of_mine.py").write_text("")
    (mine / "package_of_mine" / "__init__.py").write_text("")
    (mine / "package_of_mine" / "inner" / "__init__.py").write_text("")
    (mine / "package_of_mine" / "inner" / "net.py").write_text("class Net: ...\n")
    monkeypatch.syspath_prepend(str(mine))
    sent = travelling_modules(["loss_of_mine:Loss", "package_of_mine.inner.net:Net"], tmp_path / "sent")
    assert [Path(path).name for path in sent] == [*PLATFORM, TRAVELLED]
    inside = {str(path.relative_to(tmp_path / "sent" / TRAVELLED)) for path in (tmp_path / "sent").rglob("*.py")}
    assert inside == {
        "beside_mine.py",
        "loss_of_mine.py",
        "package_of_mine/__init__.py",
        "package_of_mine/inner/__init__.py",
        "package_of_mine/inner/net.py",
    }
    for name in [name for name in sys.modules if "of_mine" in name or name == "beside_mine"]:
        del sys.modules[name]


def test_a_machine_may_have_a_cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_here("/planned") == Path("/planned")
    monkeypatch.setenv("STUDY_CACHE", str(tmp_path))
    assert cache_here("/planned") == tmp_path
