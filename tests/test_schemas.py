"""The JSON Schemas of results and the API's description in docs/schema are those of the code; run this file to write
them anew."""

from __future__ import annotations

import difflib
import json
import tempfile
from pathlib import Path

import pytest
from audit_factory import audit_result

from radversary.auditing.result import AuditResult
from radversary.evidence.manifest import Manifest
from radversary.guard_evaluation.families.result import FamiliesResult
from radversary.guard_evaluation.result import GuardEvaluationResult
from radversary.service.app import make_app
from radversary.service.platform import Platform
from radversary.service.settings import Settings

FOLDER = Path(__file__).parents[1] / "docs" / "schema"
KINDS = {"audit-result": AuditResult, "guard-evaluation": GuardEvaluationResult, "families": FamiliesResult,
         "evidence": Manifest}


def schema(name: str) -> str:
    content = KINDS[name].model_json_schema(mode="serialization")
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **content}, indent=1) + "\n"


@pytest.mark.parametrize("name", KINDS)
def test_the_schema_is_that_of_the_code(name):
    assert (FOLDER / f"{name}.schema.json").read_text(encoding="utf-8") == schema(name), "run: make schemas"


@pytest.mark.slow
def test_a_result_satisfies_its_schema(tmp_path):
    from jsonschema import Draft202012Validator  # imported here: it takes seconds, which the quick suite spares

    content = json.loads(audit_result(tmp_path).model_dump_json())
    checker = Draft202012Validator(json.loads(schema("audit-result")))
    checker.validate(content)
    assert list(checker.iter_errors({**content, "exhibits": []}))


def api_schema() -> str:
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform.open(Settings(home=Path(folder), device="cpu"))
        try:
            return json.dumps(make_app(platform).openapi(), indent=1, sort_keys=True) + "\n"
        finally:
            platform.close()


@pytest.mark.slow
def test_the_api_s_description_is_that_of_the_code():
    kept, made = (FOLDER / "openapi.json").read_text(encoding="utf-8"), api_schema()
    unlike = list(difflib.unified_diff(kept.splitlines(), made.splitlines(), "docs/schema/openapi.json", "the code",
                                       lineterm="", n=2))[:40]
    assert not unlike, "the API has changed; if that was meant, run: make schemas\n" + "\n".join(unlike)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "openapi.json").write_text(api_schema(), encoding="utf-8")
    for kind in KINDS:
        (FOLDER / f"{kind}.schema.json").write_text(schema(kind), encoding="utf-8")
