"""sweeps/cluster/kuberay.yaml against KubeRay's own definition of a RayJob."""

import copy

import jsonschema
import pytest
import yaml

from tests.conftest import REPOSITORY, SHARED_DATA

pytestmark = pytest.mark.shared_data
DEFINITION = SHARED_DATA / "kuberay-rayjob-crd.yaml"


@pytest.fixture(scope="module")
def validator():
    """Of version v1 of the definition, with unknown keys as errors."""
    if not DEFINITION.is_file():
        pytest.skip(f"{DEFINITION} is absent; set MMCR_TEST_DATA")
    versions = yaml.load(DEFINITION.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["spec"][
        "versions"
    ]
    (schema,) = [version["schema"]["openAPIV3Schema"] for version in versions if version["name"] == "v1"]
    return jsonschema.Draft7Validator(strict(schema))


def strict(schema):
    """The schema with no other keys allowed than those it lists."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: strict(part) for key, part in schema.items()}
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields")
    if schema.get("type") == "object" and "properties" in schema and not open_ended:
        closed["additionalProperties"] = False
    return closed


def job():
    return yaml.safe_load((REPOSITORY / "sweeps/cluster/kuberay.yaml").read_text())


def test_the_kuberay_file_is_a_ray_job_as_kuberay_defines_it(validator):
    assert [error.message for error in validator.iter_errors(job())] == []


@pytest.mark.parametrize(
    "path, key",
    [
        ((), "specs"),
        (("spec",), "entryPoint"),
        (("spec", "rayClusterSpec", "headGroupSpec"), "replica"),
        (("spec", "rayClusterSpec", "workerGroupSpecs", 0, "template", "spec", "containers", 0), "volumeMount"),
    ],
)
def test_a_key_that_kuberay_does_not_know_is_an_error(validator, path, key):
    wrong = place = copy.deepcopy(job())
    for name in path:
        place = place[name]
    place[key] = "x"
    (error,) = validator.iter_errors(wrong)
    assert key in error.message
