"""Verdicts of a gate as JUnit XML and as annotations of GitHub Actions."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from radversary.scoring.gate import Verdict

NOT_IN_ANNOTATIONS = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})


def junit(verdicts: Sequence[Verdict], name: str) -> str:
    """Return verdicts as JUnit XML: one test case a rule.

    Args:
        verdicts: The verdicts.
        name: The run's name.

    Example:
        >>> 'failures="1"' in junit([Verdict("score ≥ 50", False, "score 20.0")], "run")
        True
    """
    failed = sum(not item.kept for item in verdicts)
    suite = Element("testsuite", name=f"radversary gate {name}", tests=str(len(verdicts)), failures=str(failed))
    for item in verdicts:
        case = SubElement(suite, "testcase", classname="radversary.gate", name=item.rule)
        if item.kept:
            SubElement(case, "system-out").text = item.sentence
        else:
            SubElement(case, "failure", message=item.sentence).text = f"{item.rule}: {item.sentence}"
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(suite, encoding="unicode") + "\n"


def annotation(item: Verdict) -> str:
    """Return a verdict as a line that GitHub Actions shows beside a commit.

    Example:
        >>> annotation(Verdict("score ≥ 50", False, "score 20.0"))
        '::error title=radversary gate::score ≥ 50: score 20.0'
    """
    kind = "notice" if item.kept else "error"
    return f"::{kind} title=radversary gate::{f'{item.rule}: {item.sentence}'.translate(NOT_IN_ANNOTATIONS)}"
