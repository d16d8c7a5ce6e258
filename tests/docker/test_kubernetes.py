"""The manifests: valid for Kubernetes and for KubeRay, and every pod closed as far as it goes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docker.dockerfile import ROOT

FOLDER = ROOT / "docker" / "kubernetes"
KUBERAY = "v1.7.0"
CRDS = f"https://raw.githubusercontent.com/ray-project/kuberay/{KUBERAY}/ray-operator/config/crd/bases/"
OVERLAYS = ("overlays/cpu", "overlays/gpu", "job")
TEXT = "\n".join(file.read_text(encoding="utf-8") for file in FOLDER.rglob("*.yaml"))


@pytest.fixture(scope="module", params=OVERLAYS)
def rendered(request: pytest.FixtureRequest) -> str:
    """What `kubectl apply --kustomize` would send."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run([kubectl, "kustomize", FOLDER / request.param], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def objects(rendered: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(rendered))


def pods(objects: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every pod's spec."""
    for each in objects:
        if each["kind"] in ("Deployment", "StatefulSet"):
            yield each["spec"]["template"]["spec"]
        elif each["kind"] == "RayCluster":
            yield each["spec"]["headGroupSpec"]["template"]["spec"]
            yield from (group["template"]["spec"] for group in each["spec"]["workerGroupSpecs"])


def test_kinds_of_kubernetes_fit_their_schemas(rendered: str, tmp_path: Path) -> None:
    known = [each for each in yaml.safe_load_all(rendered) if not each["apiVersion"].startswith("ray.io/")]
    if not known:
        pytest.skip("holds kinds of KubeRay's alone")
    file = tmp_path / "known.yaml"
    file.write_text(yaml.safe_dump_all(known), encoding="utf-8")
    checker = Path(sys.executable).with_name("kubernetes-validate")
    done = subprocess.run([checker, "--strict", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARN" not in done.stdout + done.stderr


def crd_schema(kind: str) -> dict[str, Any]:
    """The published schema of KubeRay's `kind`: from the folder KUBERAY_CRDS, or from its repository."""
    name = f"ray.io_{kind.lower()}s.yaml"
    if folder := os.environ.get("KUBERAY_CRDS"):
        text = Path(folder, name).read_text(encoding="utf-8")
    else:
        try:
            text = urllib.request.urlopen(CRDS + name, timeout=10).read().decode()
        except OSError as problem:
            pytest.skip(f"{CRDS}{name} cannot be had ({problem}); KUBERAY_CRDS may name a folder that holds it")
    (version,) = [each for each in yaml.load(text, yaml.CSafeLoader)["spec"]["versions"] if each["name"] == "v1"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def strict(schema: Any) -> Any:
    """The schema, which refuses names that it does not list."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: strict(value) for name, value in schema.items()}
    lists = isinstance(found.get("properties"), dict) and found.get("type") == "object"
    if lists and not found.get("x-kubernetes-preserve-unknown-fields"):
        found.setdefault("additionalProperties", False)
    return found


def test_kinds_of_kuberay_fit_its_published_schemas(objects: list[dict[str, Any]]) -> None:
    import jsonschema

    rays = [each for each in objects if each["apiVersion"] == "ray.io/v1"]
    assert rays
    for each in rays:
        schema = strict(crd_schema(each["kind"]))
        schema["properties"]["metadata"] = {"type": "object"}
        jsonschema.validate(each, schema)


def test_pods_run_without_root_and_cannot_write_into_their_image(objects: list[dict[str, Any]]) -> None:
    for pod in pods(objects):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}
            assert container["resources"]["requests"]
            assert re.search(r":\d[\w.-]*$", container["image"]), container["image"]


def test_whatever_is_not_rays_says_how_it_fares(objects: list[dict[str, Any]]) -> None:
    for each in objects:
        if each["kind"] in ("Deployment", "StatefulSet"):
            assert all(
                {"readinessProbe", "livenessProbe"} <= set(one)
                for one in each["spec"]["template"]["spec"]["containers"]
            )


def test_every_pod_is_behind_a_network_policy(objects: list[dict[str, Any]]) -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in objects if each["kind"] == "NetworkPolicy"}
    if not any(pods(objects)):
        pytest.skip("starts no pod of its own")
    assert policies["nobody"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    assert set(policies) == {"nobody", "ray", "mlflow", "postgres"}
    for name in ("mlflow", "postgres"):
        (rule,) = policies[name]["ingress"]
        assert {"from", "ports"} == set(rule)


def test_the_cluster_asks_for_a_token_and_scales(objects: list[dict[str, Any]]) -> None:
    clusters = [each["spec"] for each in objects if each["kind"] == "RayCluster"]
    if not clusters:
        pytest.skip("holds no cluster")
    (cluster,) = clusters
    (version,) = re.findall(r"^ray==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert cluster["rayVersion"] == version
    assert cluster["authOptions"] == {"mode": "token", "secretName": "ray-token"}
    assert cluster["enableInTreeAutoscaling"] is True
    assert cluster["autoscalerOptions"]["version"] == "v2"
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        assert group["minReplicas"] < group["maxReplicas"]


def test_the_gpu_overlay_alone_asks_for_gpus(objects: list[dict[str, Any]]) -> None:
    images = {one["image"] for pod in pods(objects) for one in pod["containers"]}
    workers = [
        group["template"]["spec"]["containers"][0]["resources"]["limits"]
        for each in objects
        if each["kind"] == "RayCluster"
        for group in each["spec"]["workerGroupSpecs"]
    ]
    gpus = ["nvidia.com/gpu" in limits for limits in workers]
    assert gpus == [any(image.endswith("-gpu") for image in images)] * len(workers)


def test_no_manifest_holds_a_secret() -> None:
    assert "kind: Secret" not in TEXT
    assert not re.search(r"[0-9a-f]{32}", TEXT)


def test_images_are_of_the_project_s_version() -> None:
    import tomllib

    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert set(re.findall(r"loss-study(?:-mlflow)?(?::|, newTag: )([\d.]+)", TEXT)) == {version}
