"""The bill of materials of a run, read with the library's own validator of the official JSON schema."""

from __future__ import annotations

import json
from importlib.metadata import version

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from run_factory import ENVIRONMENT, write_run

from radversary.auditing.distributions import installed_distributions
from radversary.auditing.environment import environment
from radversary.core.errors import InputError
from radversary.report.exports.facts import Run
from radversary.report.exports.sbom import bill_of_materials


@pytest.fixture
def run(tmp_path):
    write_run(tmp_path)
    return tmp_path


def written(folder):
    text, gaps = bill_of_materials(Run.read(folder))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    return json.loads(text), gaps


@pytest.mark.slow
def test_it_lists_what_the_run_had_and_not_what_is_installed_here(run):
    bill, gaps = written(run)
    parts = {part["bom-ref"]: part for part in bill["components"]}
    libraries = {part["name"]: part["version"] for part in bill["components"] if part["type"] == "library"}
    assert libraries == {"radversary": "0.1.0", "torch": "2.13.0+cpu", "numpy": "2.4.6", "odd": "1"}
    assert gaps == []
    assert parts["pkg:pypi/torch@2.13.0%2Bcpu"]["licenses"][0]["expression"] == "BSD-3-Clause AND MIT"
    assert parts["pkg:pypi/odd@1"]["licenses"][0]["license"]["name"] == "a licence of our own"
    assert "licenses" not in parts["pkg:pypi/numpy@2.4.6"]
    assert parts["python"]["version"] == "3.11.9"
    assert bill["metadata"]["timestamp"] == ENVIRONMENT["time"]


@pytest.mark.slow
def test_models_and_test_set_are_components_with_their_hashes(run):
    bill, _ = written(run)
    parts = {part["bom-ref"]: part for part in bill["components"]}
    hashes = {name: part["hashes"][0] for name, part in parts.items() if "hashes" in part}
    assert hashes == {"model:victim": {"alg": "SHA-256", "content": "4f1d" * 16},
                      "model:adversarial training": {"alg": "SHA-256", "content": "5e" * 32},
                      "test-set": {"alg": "SHA-256", "content": "9b" * 32}}
    assert parts["model:victim"]["type"] == "machine-learning-model"
    assert parts["model:victim"]["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert parts["test-set"]["type"] == "data"


@pytest.mark.slow
def test_dependencies_are_those_of_the_run(run):
    bill, _ = written(run)
    edges = {edge["ref"]: set(edge.get("dependsOn", ())) for edge in bill["dependencies"]}
    numpy = "pkg:pypi/numpy@2.4.6"
    assert edges["pkg:pypi/radversary@0.1.0"] == {"pkg:pypi/torch@2.13.0%2Bcpu", numpy}
    assert edges["pkg:pypi/odd@1"] == set()
    assert {"test-set", "model:victim", "pkg:pypi/radversary@0.1.0"} <= edges["audit"]


@pytest.mark.slow
def test_the_same_run_gives_the_same_bytes_and_another_another_serial_number(run):
    first, again = (bill_of_materials(Run.read(run))[0] for _ in range(2))
    assert first == again
    (run / "environment.json").write_text(json.dumps({**ENVIRONMENT, "python": "3.12.1"}))
    assert json.loads(first)["serialNumber"] != written(run)[0]["serialNumber"]


@pytest.mark.slow
def test_an_environment_of_before_is_said_to_be_incomplete(run):
    older = {name: value for name, value in ENVIRONMENT.items() if name not in ("distributions", "time")}
    (run / "environment.json").write_text(json.dumps(older))
    bill, (gap,) = written(run)
    assert {part["name"] for part in bill["components"] if part["type"] == "library"} == {"radversary", "torch"}
    assert "names 2 packages and not all" in gap
    assert [item["value"] for item in bill["metadata"]["properties"]] == [gap]
    assert "timestamp" not in bill["metadata"]


@pytest.mark.slow
def test_a_model_without_hash_is_a_gap(tmp_path):
    write_run(tmp_path, model={"name": "remote"})
    bill, gaps = written(tmp_path)
    assert gaps == ["model victim: its SHA-256 is not known to the run"]
    assert "hashes" not in next(part for part in bill["components"] if part["bom-ref"] == "model:victim")


@pytest.mark.slow
@pytest.mark.parametrize("content", ["", "[]", "{", '{"packages": []}', '{"packages": {}, "distributions": 3}',
                                     '{"packages": {}, "distributions": [{"name": 1}]}',
                                     '{"packages": {}, "time": "noon"}', '{"packages": {}, "time": 5}'])
def test_a_damaged_environment_is_one_sentence(run, content):
    (run / "environment.json").write_text(content)
    with pytest.raises(InputError, match=r"environment\.json") as refused:
        bill_of_materials(Run.read(run))
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_no_environment_is_one_sentence(run):
    (run / "environment.json").unlink()
    with pytest.raises(InputError, match="what the run was made with"):
        bill_of_materials(Run.read(run))


@pytest.mark.slow
def test_an_audit_writes_every_distribution_with_its_version(tmp_path):
    write_run(tmp_path)
    found = json.loads(json.dumps(environment()))
    listed = {item["name"]: item for item in found["distributions"]}
    assert listed["numpy"]["version"] == version("numpy")
    assert {"torch", "pydantic", "numpy"} <= set(listed["radversary"]["requires"])
    assert all(set(item["requires"]) <= set(listed) for item in installed_distributions())
    (tmp_path / "environment.json").write_text(json.dumps(found))
    bill, gaps = written(tmp_path)
    assert len([part for part in bill["components"] if part["type"] == "library"]) == len(listed) > 50
    assert gaps == []
