"""The nearest point of a hyperplane in [0, 1]: solvers of linear and quadratic programs find the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linprog, minimize

from radversary.attacks.gradient import hyperplanes
from radversary.attacks.gradient.hyperplanes import filled, onto_hyperplane
from radversary.attacks.limits import distance
from radversary.core.types import Norm

SIDE = 4


def cases(count=12, seed=0):
    """Points, some pixels of which are 0 or 1, and hyperplanes on both sides that meet [0, 1]."""
    drawn = torch.Generator().manual_seed(seed)
    points = (1.4 * torch.rand(count, 1, SIDE, SIDE, generator=drawn) - 0.2).clamp(0, 1)
    slopes = torch.randn(count, 1, SIDE, SIDE, generator=drawn)
    slopes[:, :, 0, 0] = 0
    others = torch.rand(count, 1, SIDE, SIDE, generator=drawn).round()
    return points, (slopes * (points - others)).sum((1, 2, 3)), slopes


def by_linear_program(point, value, slope):
    """Least t with |change| <= t, the change inside [0, 1], on the hyperplane."""
    size = len(point)
    bound = np.block([[np.eye(size), -np.ones((size, 1))], [-np.eye(size), -np.ones((size, 1))]])
    box = [(-at, 1 - at) for at in point] + [(0, None)]
    found = linprog(np.eye(size + 1)[-1], A_ub=bound, b_ub=np.zeros(2 * size), A_eq=[[*slope, 0]], b_eq=[-value],
                    bounds=box)
    return found.fun


def by_quadratic_program(point, value, slope):
    found = minimize(lambda change: change @ change, np.zeros(len(point)), jac=lambda change: 2 * change,
                     bounds=[(-at, 1 - at) for at in point], method="SLSQP", options={"maxiter": 500, "ftol": 1e-12},
                     constraints={"type": "eq", "fun": lambda change: slope @ change + value, "jac": lambda _: slope})
    assert found.success
    return np.sqrt(found.fun)


@pytest.mark.parametrize(("norm", "solve"), [(Norm.LINF, by_linear_program), (Norm.L2, by_quadratic_program)])
def test_a_solver_finds_no_nearer_point(norm, solve):
    points, values, slopes = cases()
    change = onto_hyperplane(points, values, slopes, norm)
    assert (points + change).amin() >= -1e-6
    assert (points + change).amax() <= 1 + 1e-6
    torch.testing.assert_close((slopes * change).sum((1, 2, 3)), -values, atol=1e-4, rtol=1e-4)
    best = [solve(point.numpy().ravel(), value, slope.numpy().ravel()) for point, value, slope
            in zip(points.double(), values.tolist(), slopes.double(), strict=True)]
    torch.testing.assert_close(distance(change, norm), torch.tensor(best).float(), atol=1e-5, rtol=1e-4)
    assert (((points + change) - (points + change).round()).abs() < 1e-6).flatten(1).any(1).all()  # [0, 1] is felt


@pytest.mark.parametrize(("norm", "dual"), [(Norm.LINF, 1), (Norm.L2, 2)])
def test_far_from_the_ends_of_the_range_the_distance_is_the_value_by_the_dual_norm(norm, dual):
    slopes = torch.randn(20, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    values = torch.linspace(-1, 1, 20)
    change = onto_hyperplane(torch.full_like(slopes, 0.5), values, slopes, norm)
    exact = values.abs() / torch.linalg.vector_norm(slopes.flatten(1), ord=dual, dim=1)
    torch.testing.assert_close(distance(change, norm), exact)


@pytest.mark.parametrize("norm", list(Norm))
def test_out_of_reach_every_pixel_goes_all_the_way_and_without_a_slope_none_moves(norm):
    points, slopes = torch.full((2, 1, 2, 2), 0.25), torch.ones(2, 1, 2, 2)
    slopes[1] = 0
    change = onto_hyperplane(points, torch.tensor([-100.0, -1.0]), slopes, norm)
    assert change[0].flatten().tolist() == pytest.approx([0.75] * 4)
    assert (change[1] == 0).all()
    assert (onto_hyperplane(points, torch.zeros(2), slopes, norm) == 0).all()


@pytest.mark.parametrize("norm", list(Norm))
def test_parts_and_the_scale_of_the_function_change_nothing(norm, monkeypatch):
    points, values, slopes = cases(7)
    whole = onto_hyperplane(points, values, slopes, norm)
    torch.testing.assert_close(onto_hyperplane(points, 1e-12 * values, 1e-12 * slopes, norm), whole)
    monkeypatch.setattr(hyperplanes, "PART", 3)
    assert torch.equal(onto_hyperplane(points, values, slopes, norm), whole)


def test_the_sum_is_what_is_needed():
    drawn = torch.Generator().manual_seed(2)
    ends, rates = (torch.rand(50, 30, generator=drawn).double() for _ in range(2))
    need = torch.rand(50, generator=drawn).double() * (ends * rates).sum(1)
    at = filled(ends, rates, need)
    torch.testing.assert_close((rates * torch.minimum(at[:, None], ends)).sum(1), need)
