"""Model card for the Hugging Face Hub: YAML metadata with ``model-index``, then what was measured as Markdown.

Keys are those of the Hub's model card metadata (huggingface/hub-docs, ``modelcard.md``): a result needs ``task.type``,
``dataset.type``, ``dataset.name`` and metrics with ``type`` and ``value``. Figures of ``model-index`` are those of the
model without any defence, on untouched images and under all attacks together; the table has all systems.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import yaml

from radversary.auditing.cell_table import NONE, defence_name
from radversary.core.text import page, sentence
from radversary.core.types import Estimate
from radversary.report.cells import markdown_row
from radversary.report.exports.facts import Run
from radversary.report.exports.maker_card import MakerCard
from radversary.report.exports.robustness import Line, robustness_lines
from radversary.report.formats import UNDEFINED

FILE: Final = "README.md"
MARK: Final = "<!-- written by radversary export; a new export replaces this file -->"
TASK: Final = "image-classification"
TAGS: Final = ("medical-imaging", "adversarial-robustness", "radversary")
LICENSES: Final = {"apache-2.0": "apache-2.0", "mit": "mit", "bsd-3-clause": "bsd-3-clause", "cc0-1.0": "cc0-1.0",
                   "bsd-2-clause": "bsd-2-clause", "gpl-3.0": "gpl-3.0", "agpl-3.0": "agpl-3.0",
                   "cc-by-4.0": "cc-by-4.0", "cc-by-sa-4.0": "cc-by-sa-4.0", "cc-by-nc-4.0": "cc-by-nc-4.0",
                   "cc-by-nc-sa-4.0": "cc-by-nc-sa-4.0"}
"""Licences of models' cards, in small letters, to the Hub's identifiers; others are the maker's to state."""


def hub_card(run: Run, maker: MakerCard) -> tuple[str, list[str]]:
    """Return the ``README.md`` of a run's model, and its gaps.

    Args:
        run: The run.
        maker: What the maker says.

    Returns:
        The document, and a sentence for each thing that a reader would look for and nobody stated.
    """
    head, gaps = metadata(run, maker)
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=120)
    return page(f"---\n{front}---\n{MARK}\n\n" + "\n".join(body(run, maker, gaps)) + "\n"), gaps


def metadata(run: Run, maker: MakerCard) -> tuple[dict[str, Any], list[str]]:
    """Return the metadata, and its gaps."""
    hub, gaps = maker.hub, list[str]()
    license_ = hub.license or LICENSES.get(run.result.model.get("licence", "").lower(), "")
    if not license_:
        gaps.append("license: not stated; --card, key hub.license")
    if not hub.dataset:
        gaps.append("dataset of the results: the test set's hash stands for it; --card, key hub.dataset")
    results = list(index_results(run, maker))
    if not results:
        gaps.append("model-index: no image has a label, so that no figure is an accuracy")
    head = {"language": list(hub.language), "license": license_, "license_name": hub.license_name,
            "license_link": hub.license_link, "pipeline_tag": TASK, "tags": list(TAGS),
            "datasets": list(hub.datasets), "metrics": metric_types(results),
            "model-index": [{"name": maker.name or run.model_name, "results": results}] if results else []}
    return {name: value for name, value in head.items() if value}, gaps


def metric_types(results: list[dict[str, Any]]) -> list[str]:
    """Return the types of metrics of some results, each once."""
    return list(dict.fromkeys(metric["type"] for result in results for metric in result["metrics"]))


def index_results(run: Run, maker: MakerCard) -> Iterator[dict[str, Any]]:
    """Yield the results of the model without any defence, one a condition; none where no image has a label."""
    view = run.view
    cell = view.clean(NONE)
    if cell is None or not view.labelled:
        return
    figures = [("accuracy", "Accuracy", cell.performance.accuracy),
               ("recall", "Macro recall", view.mean(cell, "recall")),
               ("f1", "Macro F1", None if view.by_finding else cell.performance.f1),
               ("roc_auc", "Macro AUROC", view.mean(cell, "auroc"))]
    yield index_result(run, maker, "untouched images", [
        metric(kind, f"{name}, untouched images", value) for kind, name, value in figures
        if value is not None and math.isfinite(value.value)])
    for line in robustness_lines(view):
        if line.defence == NONE and line.attacker:
            yield index_result(run, maker, line.title, [metric("accuracy", f"Accuracy, {line.title}", line.accuracy)])


def index_result(run: Run, maker: MakerCard, condition: str, metrics: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one result; the condition is the data's configuration."""
    data = run.result.data
    return {"task": {"type": TASK, "name": f"{run.result.task} classification"},
            "dataset": {"type": maker.hub.dataset or f"sha256-{data.sha256[:12]}",
                        "name": sentence(data.source) or "held-out test images", "config": sentence(condition),
                        "split": "test", "revision": data.sha256},
            "metrics": metrics}


def metric(kind: str, name: str, value: Estimate) -> dict[str, Any]:
    """Return one metric; its interval and n stand in its name, as the Hub shows no other place.

    Example:
        >>> metric("accuracy", "Accuracy", Estimate(0.914, 0.88, 0.94, 300))
        {'type': 'accuracy', 'value': 0.914, 'name': 'Accuracy (95 % interval 0.880 to 0.940, n = 300)'}
    """
    return {"type": kind, "value": round(value.value, 4),
            "name": sentence(f"{name} (95 % interval {value.low:.3f} to {value.high:.3f}, n = {value.n})")}


def body(run: Run, maker: MakerCard, gaps: list[str]) -> Iterator[str]:
    """Yield the lines below the metadata; what the maker did not state becomes a gap."""
    yield f"# {heading(maker.name or run.model_name)}"
    for title, text, key in (("Summary", maker.summary, "summary"), ("Intended use", maker.use.intended_use,
                             "use.intended_use"), ("Out of scope", maker.use.out_of_scope, "use.out_of_scope"),
                             ("Risks and limitations", maker.warnings.risks, "warnings.risks"),
                             ("Training data", trained_on(run, maker), "development.data")):
        yield from ("", f"## {title}", "", text or "Not stated.")
        if not text:
            gaps.append(f"{title}: not stated; --card, key {key}")
    yield from ("", "## Robustness", "", *robustness(run), "", "## Evidence", "", *evidence(run))


def heading(text: str) -> str:
    """Return a name as a heading: one line, no markup of HTML."""
    return sentence(text).replace("<", "&lt;")


def trained_on(run: Run, maker: MakerCard) -> str:
    """Return what the model was trained on, as the maker or else its card says."""
    return maker.development.data or heading(run.result.model.get("trained_on", ""))


def robustness(run: Run) -> Iterator[str]:
    """Yield the table of all systems, and their scores."""
    words, lines = run.view.words, robustness_lines(run.view)
    yield (f"{words.title} in % with 95 % intervals over {words.over}, on held-out test images "
           f"(`{run.result.data.sha256[:12]}`). {words.note}".rstrip())
    yield from ("", markdown_row(["system", "condition", "attacker knows", words.title, "95 % interval", "n"]),
                "|---|---|---|---:|---:|---:|", *map(table_row, lines))
    if run.scores:
        yield from ("", f"Security score, 0 to 100 ({run.scores[0].profile}); no score proves robustness.", "",
                    markdown_row(["system", "score", "letter", "caps", "distinct readings"]), "|---|---:|---|---|---:|")
        for item in run.scores:
            caps = ", ".join(dict.fromkeys(cap.code for cap in item.caps))
            yield markdown_row([defence_name(item.system), f"{item.value:.1f}", item.letter or "none", caps or "none",
                                str(item.n)])
    else:
        yield from ("", f"No security score: {heading(run.unscored)}.")
    signs = [f"- {heading(item.sentence)}" for item in run.result.findings]
    if signs:
        yield from ("", "Signs that attacks were too weak:", "", *signs)


def table_row(line: Line) -> str:
    """Return one figure as a row."""
    value = line.accuracy
    shown = f"{100 * value.value:.1f}" if math.isfinite(value.value) else UNDEFINED
    return markdown_row([line.name, line.condition, line.attacker or "–", shown,
                         f"{100 * value.low:.1f} to {100 * value.high:.1f}", str(value.n)])


def evidence(run: Run) -> Iterator[str]:
    """Yield hashes by which the run is found again."""
    known = {"audit key": run.key, "battery": run.result.battery or "none named",
             "test set SHA-256": run.result.data.sha256,
             **{f"model {name} SHA-256": value for name, value in run.models.items() if value},
             **{name: value for name, value in run.result.provenance.items() if name == "plan sha256"}}
    yield from (f"- {heading(name)}: `{heading(value).replace('`', '')}`" for name, value in known.items())
