"""What docs/cluster.md gives to copy can at least be read by those who will read it."""

import re
import subprocess

import pytest
import yaml

from harness.plugins.catalog import SHIPPED

DOCUMENT = SHIPPED / "docs" / "cluster.md"
pytestmark = pytest.mark.skipif(not DOCUMENT.exists(), reason="documents are not in the wheel")

# of KubeRay's reference of ray.io/v1
JOB = {"entrypoint", "backoffLimit", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished"}
CLUSTER = {"rayVersion", "authOptions", "headGroupSpec", "workerGroupSpecs"}
WORKERS = {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}


def block(language: str) -> str:
    """The one block of code in that language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    return str(found)


def test_the_manifest_is_a_ray_job_of_known_fields() -> None:
    """Kubernetes refuses a field that it does not know, or drops it."""
    job = yaml.safe_load(block("yaml"))
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert set(job["spec"]) == JOB | {"rayClusterSpec"}
    cluster = job["spec"]["rayClusterSpec"]
    assert set(cluster) == CLUSTER
    assert set(cluster["headGroupSpec"]) == {"rayStartParams", "template"}
    assert all(set(group) == WORKERS for group in cluster["workerGroupSpecs"])


def test_every_volume_that_is_mounted_is_declared() -> None:
    """In the pod of the head, where the results lie."""
    job = yaml.safe_load(block("yaml"))
    pod = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    mounted = {mount["name"] for one in pod["containers"] for mount in one["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_the_batch_script_is_one_that_bash_reads() -> None:
    """Its syntax alone: there is no SLURM to run it."""
    subprocess.run(["bash", "-n"], input=block("bash"), text=True, check=True)
