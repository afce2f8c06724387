"""The API does what its description says, whatever it is sent.

RADVERSARY_EXAMPLES=200 sends more than CI does.
"""

from __future__ import annotations

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from service.conftest import registered

EXAMPLES = int(os.environ.get("RADVERSARY_EXAMPLES", "5"))
"""Requests an operation, for each of valid and of damaged ones."""

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
          ignored_auth, unsupported_method)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_operation_answers_as_described(client, shelf, key):
    registered(client, shelf)
    schema = schemathesis.openapi.from_asgi("/v1/openapi.json", client.app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 30
    token = key()
    faults = [said for operation in operations for mode in GenerationMode for said in tried(operation, mode, token)]
    assert not faults, "\n\n".join(faults)


def tried(operation, mode, token):
    """Send requests to an operation; return what was wrong with its answers."""
    headers = {"Authorization": f"Bearer {token}"}

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case):
        answer = case.call(headers=headers)
        part = case.meta.components.get(ParameterLocation.BODY) if case.meta else None
        damaged = part is not None and part.mode == GenerationMode.NEGATIVE and case.media_type == "application/json"
        case.validate_response(answer, checks=[*CHECKS, *[negative_data_rejection] * damaged], headers=headers)
        if answer.status_code >= 400:
            assert answer.json()["detail"].strip()
            assert answer.json()["status"] == answer.status_code

    try:
        one()
    except (Exception, BaseExceptionGroup) as error:  # every operation is looked at
        if "Unsatisfiable" not in type(error).__name__:  # nothing of it can be damaged
            return [f"{operation.label} ({mode.value}): {str(error)[:1500]}"]
    return []
