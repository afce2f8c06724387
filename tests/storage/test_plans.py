"""One base for all plans, one for stored documents."""

from __future__ import annotations

from pathlib import Path

import pytest

import radversary
from radversary.core.errors import PlanError
from radversary.storage.plans import Plan, parse_plan
from radversary.training.classifier.plan import Objective, Phase, RobustPlan, TrainingPlan
from radversary.training.cyclegan.plan import CycleGanPlan
from radversary.training.denoiser.plan import DenoiserPlan, Guidance
from radversary.training.stylizer.plan import StylizerPlan

BASES = {"storage/plans.py", "storage/documents.py", "auditing/schema.py",
         "data/checks.py", "data/duplicates.py",  # these three may hold numbers that are not finite
         "service/jobs/kinds.py", "service/api/bodies.py", "service/api/problems.py", "service/monitoring/shown.py",
         "client/rows.py"}  # these five are what travels by HTTP or in a queue, and no plan or document
TRAININGS = [Phase, TrainingPlan, RobustPlan, Objective, CycleGanPlan, DenoiserPlan, Guidance, StylizerPlan]


def test_what_a_plan_refuses_is_configured_once():
    source = Path(radversary.__file__).parent
    found = {path.relative_to(source).as_posix() for path in source.rglob("*.py") if "ConfigDict(" in path.read_text()}
    assert found == BASES
    assert all(issubclass(model, Plan) for model in TRAININGS)


@pytest.mark.parametrize("name", ["learning_rate", "style_weight"])
def test_no_training_takes_an_infinite_number(name):
    with pytest.raises(PlanError, match=f"{name}: input should be a finite number"):
        parse_plan(StylizerPlan, {name: float("inf")}, source="plan")
