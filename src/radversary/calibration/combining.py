"""Rules that combine the ``-log p`` of several detectors into one anomaly score.

None of them is ever compared with its own null distribution: what they give is calibrated like any other score
(:mod:`radversary.calibration.fusion`), so they only decide which of two images is more anomalous.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from scipy.special import logsumexp

from radversary.core.errors import InputError, UnknownNameError
from radversary.core.renamed import current_name
from radversary.metrics.bootstrap import Floats

Rule = Callable[[Floats, Sequence[str]], Floats]
"""From ``-log p`` (N, D) and the kind of each detector to one anomaly score an image, (N,)."""


def harmonic(neg_log_p: Floats, kinds: Sequence[str] = ()) -> Floats:  # noqa: ARG001
    """Return the logarithm of one over the harmonic mean of p-values, given as ``-log p`` (N, D), (N,).

    One small p-value suffices. Source: Wilson 2019, PNAS 116(4), doi:10.1073/pnas.1814092116.

    Example:
        >>> np.exp(harmonic(-np.log([[0.5, 0.5], [0.01, 1.0]]))).round(6).tolist()
        [2.0, 50.5]
    """
    return np.asarray(logsumexp(neg_log_p, axis=1) - np.log(neg_log_p.shape[1]))


def fisher(neg_log_p: Floats, kinds: Sequence[str] = ()) -> Floats:  # noqa: ARG001
    """Return Fisher's statistic, twice the sum of ``-log p`` (N, D), (N,): several middling ones add up.

    Source: Fisher, "Statistical Methods for Research Workers", 4th ed., 1932, section 21.1.
    """
    return np.asarray(2.0 * neg_log_p.sum(axis=1))


def fisher_within_tippett_across(neg_log_p: Floats, kinds: Sequence[str] = ()) -> Floats:
    """Return the ``-log p`` of the most anomalous kind: Fisher within a kind, Tippett (least p) across kinds.

    What a style transfer changes and what a bounded attack changes are seen by different detectors; adding those that
    see nothing would only add their noise. With a single kind, images are ranked as by :func:`fisher`.

    Args:
        neg_log_p: ``-log p``, (N, D).
        kinds: The kind of each detector; none for all of one kind.

    Returns:
        (N,) ``-log`` of the least of the kinds' p-values by Fisher's law.

    Source: Fisher 1932, section 21.1; Tippett, "The Methods of Statistics", 1931, section 3.5.

    Example:
        >>> kinds = ["style", "perturbation", "perturbation"]
        >>> fisher_within_tippett_across(-np.log([[0.5, 0.01, 1.0]]), kinds).round(3).tolist()
        [2.881]
    """
    return np.asarray(np.max([erlang(neg_log_p[:, columns].sum(axis=1), len(columns))
                              for columns in columns_by_kind(neg_log_p.shape[1], kinds)], axis=0))


def columns_by_kind(count: int, kinds: Sequence[str]) -> list[list[int]]:
    """Return the columns of each kind, in order of first appearance; of all columns where no kinds are given.

    Raises:
        InputError: Kinds are given, but not one a column.
    """
    if kinds and len(kinds) != count:
        raise InputError(f"each of {count} detectors has a kind, got {len(kinds)}")
    names = list(kinds) or [""] * count
    return [[column for column, name in enumerate(names) if name == kind] for kind in dict.fromkeys(names)]


def erlang(total: Floats, count: int) -> Floats:
    """Return ``-log`` of the chance that ``-log p`` of ``count`` independent uniform p-values sum to ``total`` or more.

    That is ``total - log(sum of total^j / j! for j < count)``, which stays exact where the chance underflows.

    Example:
        >>> from scipy.stats import chi2
        >>> bool(np.isclose(erlang(np.array([3.0]), 2)[0], -chi2.logsf(6.0, 4)))
        True
    """
    series = np.ones_like(total)
    for power in range(count - 1, 0, -1):
        series = 1.0 + series * total / power
    return np.asarray(total - np.log(series))


RULES: Mapping[str, Rule] = MappingProxyType({
    "fisher_within_tippett_across": fisher_within_tippett_across, "fisher": fisher, "harmonic": harmonic})
"""Name to rule."""
RENAMED: Mapping[str, str] = MappingProxyType({"kindred": "fisher_within_tippett_across"})
"""Names of earlier versions to those of today."""


def rule_named(name: str) -> Rule:
    """Return the rule of a name.

    Raises:
        UnknownNameError: No such rule.
    """
    return RULES[known_rule(name)]


def known_rule(name: str) -> str:
    """Return the name of a rule as it is today; one of an earlier version is read with a warning.

    Raises:
        UnknownNameError: No such rule.

    Example:
        >>> known_rule("fisher")
        'fisher'
    """
    if (today := current_name("rule", name, RENAMED)) not in RULES:
        raise UnknownNameError("rule of fusion", name, RULES)
    return today
