"""What lies under deploy/: manifests that parse, scripts that bash reads, commands that exist."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from unislu.cli import build_parser

yaml = pytest.importorskip("yaml")

DEPLOY = Path(__file__).parents[2] / "deploy"
SCRIPTS = sorted(DEPLOY.rglob("*.sbatch"))


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_slurm_scripts_are_read_by_bash(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    if (shellcheck := shutil.which("shellcheck")) is not None:
        subprocess.run([shellcheck, str(script)], check=True)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_slurm_scripts_start_commands_that_exist(script: Path, tmp_path: Path) -> None:
    """Run with an `srun` that says what it is asked to run, and an `accelerate` that does the same."""
    for name, text in {
        "srun": 'exec "$@"',
        "unislu": 'printf "%s\\0" "$@"',
        "accelerate": 'while [ "$1" != unislu ]; do shift; done; shift; printf "%s\\0" "$@"',
        "scontrol": "echo node-1; echo node-2",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    slurm = {
        "SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "16", "SLURM_CPUS_PER_TASK": "4",
        "SLURM_JOB_NUM_NODES": "2", "SLURM_GPUS_ON_NODE": "4", "SLURM_NODEID": "1",
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    asked = ["/data/my calls.jsonl", "/data/out"] if script.name == "batch.sbatch" else ["a.yaml", "seed=2"]
    done = subprocess.run(
        ["bash", str(script), *asked], env={**os.environ, **slurm}, capture_output=True, text=True, check=True
    )
    arguments = build_parser().parse_args(done.stdout.split("\0")[:-1])
    if script.name == "batch.sbatch":
        assert arguments.inputs == ["/data/my calls.jsonl"] and arguments.out == "/data/out/shard-3-of-16"
        assert arguments.shard == (3, 16) and arguments.workers == 4 and arguments.failures_ok
    else:
        assert (arguments.recipe, arguments.overrides) == ("a.yaml", ["seed=2"])
    missing = subprocess.run(
        ["bash", str(script)], env={**os.environ, **slurm}, capture_output=True, text=True
    )
    assert missing.returncode != 0 and "usage: sbatch" in missing.stderr


MANIFESTS = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "rayjob.yaml").read_text()))
JOB = MANIFESTS[-1]
CLUSTER = JOB["spec"]["rayClusterSpec"]
GROUPS = [CLUSTER["headGroupSpec"], *CLUSTER["workerGroupSpecs"]]
PODS = [*(group["template"] for group in GROUPS), JOB["spec"]["submitterPodTemplate"]]


def _of(kind: str) -> list[dict[str, Any]]:
    return [manifest for manifest in MANIFESTS if manifest["kind"] == kind]


def test_the_ray_job_is_one_cluster_and_one_command() -> None:
    assert (JOB["apiVersion"], JOB["kind"]) == ("ray.io/v1", "RayJob")
    command = shlex.split(JOB["spec"]["entrypoint"])
    arguments = build_parser().parse_args(command[1:])
    assert command[0] == "unislu" and arguments.engine == "ray" and arguments.ray_address == "auto"
    images = {container["image"] for pod in PODS for container in pod["spec"]["containers"]}
    assert len(images) == 1  # a cluster and its driver must be of one version
    recipe = (DEPLOY / "kubernetes" / "batch.Dockerfile").read_text()
    version = re.search(r"ARG RAY=(\S+)", recipe)
    assert version is not None and version[1] == CLUSTER["rayVersion"]


def test_a_ray_cluster_answers_to_its_own_pods_alone() -> None:
    assert CLUSTER["authOptions"] == {"mode": "token"}
    assert tuple(map(int, CLUSTER["rayVersion"].split("."))) >= (2, 52, 0)  # the first that asks for a token
    assert all("dashboard-host" not in group["rayStartParams"] for group in GROUPS)
    (policy,) = _of("NetworkPolicy")
    labels = policy["spec"]["podSelector"]["matchLabels"]
    assert all(labels.items() <= pod["metadata"]["labels"].items() for pod in PODS)
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    own, operator = policy["spec"]["ingress"]
    assert own == {"from": [{"podSelector": {"matchLabels": labels}}]}
    assert operator["ports"] == [{"port": 8265}]
    assert all("podSelector" in source for source in operator["from"])


def test_pods_have_identities_and_no_secrets() -> None:
    text = (DEPLOY / "kubernetes" / "rayjob.yaml").read_text()
    assert "secretRef" not in text and "secretKeyRef" not in text and "ACCESS_KEY" not in text
    accounts = {account["metadata"]["name"]: account for account in _of("ServiceAccount")}
    head, *workers = (group["template"]["spec"] for group in GROUPS)
    assert head["serviceAccountName"] in accounts
    assert all(account["metadata"]["annotations"] for account in accounts.values())
    for pod in workers:
        assert pod["serviceAccountName"] in set(accounts) - {head["serviceAccountName"]}
        assert pod["automountServiceAccountToken"] is False
    for pod in PODS:
        for container in pod["spec"]["containers"]:
            confined = container["securityContext"]
            assert confined["runAsNonRoot"] and confined["allowPrivilegeEscalation"] is False
            assert confined["capabilities"] == {"drop": ["ALL"]}
