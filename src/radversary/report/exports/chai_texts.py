"""What a run and its model's card say for an Applied Model Card: texts and figures, nothing that was not measured."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from radversary.auditing.cell_table import NONE, defence_name
from radversary.core.types import Estimate, Task
from radversary.report.exports.facts import Run
from radversary.report.exports.maker_card import MakerCard
from radversary.report.exports.robustness import robustness_lines
from radversary.report.words import threshold_text

Figures = tuple[tuple[str, Estimate | float], ...]
NOT_STATED: Final = "Not stated"
AREA: Final = "Macro AUROC"
"""Label of the one figure that is no share."""


@dataclass(frozen=True)
class Texts:
    """Texts of the card that rest on the run.

    Attributes:
        run: The run.
        maker: What the maker says; it stands before what the run adds.
    """

    run: Run
    maker: MakerCard

    @property
    def name(self) -> str:
        """The model's name."""
        return self.maker.name or self.run.model_name

    @property
    def goals(self) -> tuple[str, str, str]:
        """What the audit measures: usefulness, fairness, safety."""
        return ("How often the model reads untouched held-out test images rightly.",
                "How far readings of untouched images differ between subgroups of patients.",
                "How often images are read rightly after attacks and natural changes of acquisition, with and without "
                "defences.")

    @property
    def risks(self) -> str:
        """Known risks, then what attacks did and what speaks against the measurement."""
        found = [f"- {line.title}: {self.run.view.words.title.lower()} {line.accuracy}"
                 for line in robustness_lines(self.run.view) if line.defence == NONE]
        signs = [f"- {item.sentence}" for item in self.run.result.findings]
        return joined([self.maker.warnings.risks or f"By the maker: {NOT_STATED}.",
                       "\n".join(["Measured on the model without any defence:", *found]) if found else "",
                       "\n".join(["Signs that attacks were too weak:", *signs]) if signs else ""])

    @property
    def biases(self) -> str:
        """Known biases, then what the check of the test data warns of."""
        warnings = [f"- {text}" for text in (*self.run.result.data.warnings, *self.run.result.data.leaks)]
        return joined([self.maker.warnings.biases or f"By the maker: {NOT_STATED}.",
                       "\n".join(["The check of the test data warns:", *warnings]) if warnings else ""])

    @property
    def outputs(self) -> str:
        """What the model decides."""
        names, bars = ", ".join(self.run.result.classes), threshold_text(self.run.result)
        what = {Task.MULTICLASS: f"One class of {names}.",
                Task.BINARY: f"Whether {names.rpartition(', ')[2]} is there.",
                Task.MULTILABEL: f"Each of {names}, there or not."}[self.run.result.task]
        return joined([what, f"Read as there from a probability on of: {bars}." if bars else ""])

    @property
    def model_type(self) -> str:
        """Architecture and task."""
        card = self.run.result.model
        return ", ".join(filter(None, [card.get("architecture", ""), f"{self.run.result.task} classifier of images",
                                       f"SHA-256 {digest}" if (digest := self.run.models["victim"]) else ""]))

    @property
    def data_types(self) -> str:
        """What goes in and what comes out."""
        card = self.run.result.model
        size, channels = card.get("size", ""), card.get("channels", "")
        shape = ", ".join(filter(None, [f"{size} pixels a side" if size.isdigit() else size,
                                        f"{channels} channel(s)" if channels else card.get("input", "")]))
        return (f"Input: images{f' ({shape})' if shape else ''}. "
                f"Output: {card.get('output') or 'scores'}, one for each of {len(self.run.result.classes)} classes.")

    @property
    def development(self) -> str:
        """What it was trained on, as the maker or else the model's card says."""
        stated = self.run.result.model.get("trained_on", "")
        return self.maker.development.data or (f"As the model's card says: {stated}" if stated else "")

    @property
    def security(self) -> str:
        """The maker's practices, then score and vector of each system."""
        scores = [f"- {defence_name(item.system)}: {item.value:.1f} of 100, "
                  f"{f'letter {item.letter}' if item.letter else 'no letter'}, `{item.vector}`"
                  for item in self.run.scores]
        measured = ["Security score of each deployed system (no score proves robustness):", *scores]
        return joined([self.maker.development.security,
                       "\n".join(measured) if scores else f"No security score: {self.run.unscored}."])

    @property
    def transparency(self) -> str:
        """The maker's text, then hashes by which the evidence is found again."""
        return joined([self.maker.development.transparency, f"Evidence: audit {self.run.key}."])

    @property
    def evaluation(self) -> str:
        """The maker's references, then the run."""
        result = self.run.result
        known = ", ".join(filter(None, [f"audit {self.run.key}", result.battery or "", *(
            f"plan SHA-256 {value}" for name, value in result.provenance.items() if name == "plan sha256")]))
        return joined([self.maker.resources.evaluation, f"radversary: {known}"])

    @property
    def test_type(self) -> str:
        """How the figures came about."""
        return ("Automated audit on stored, held-out images; figures with 95 % intervals over "
                f"{self.run.view.words.over}. {self.run.view.words.note}".rstrip())

    @property
    def test_data(self) -> str:
        """The test images: source, numbers, characteristics, hash."""
        data = self.run.result.data
        counts = ", ".join(f"{name} {n}" for name, n in data.counts.get("test", {}).items())
        kinds = [f"- {kind}: " + ", ".join(f"{value} {n}" for value, n in found.items())
                 for kind, found in data.characteristics.items()]
        patients = f" of {data.patients['test']} patients" if data.patients_known and "test" in data.patients else ""
        return joined([f"{data.source}. Test images{patients}: {counts or 'not counted by class'}. "
                       f"SHA-256 of the test set {data.sha256}.", "\n".join(kinds)])

    @property
    def validation(self) -> str:
        """What was done with them."""
        result = self.run.result
        attacks = ", ".join(self.run.view.attacks) or "none"
        return ("Held-out test images were read untouched and after each attack at each strength, without and with "
                "each defence; each figure carries its number of images. "
                f"Battery: {result.battery or 'none named'}. Attacks: {attacks}.")


def usefulness(run: Run) -> Figures:
    """Return figures of the undefended model on untouched images; none where no image has a label."""
    cell = run.view.clean(NONE)
    if cell is None or not run.view.labelled:
        return ()
    named = [("Accuracy", cell.performance.accuracy), ("Macro recall", run.view.mean(cell, "recall")),
             ("Macro precision", run.view.mean(cell, "precision")), (AREA, run.view.mean(cell, "auroc"))]
    found = [(name, value) for name, value in named if value is not None]
    if not run.view.by_finding:
        found += [(f"Recall, {figures.name}", figures.recall) for figures in cell.performance.classes]
    elif cell.findings:
        found += [(f"{title}, {item.name}", value) for item in cell.findings.findings
                  for title, value in (("Sensitivity", item.sensitivity), ("Specificity", item.specificity)) if value]
    return finite(found)


def fairness(run: Run) -> Figures:
    """Return the greatest gap between two subgroups of patients, where the score found two of enough images."""
    parts = [part for item in run.scores if item.system == NONE for sub in item.parts if sub.key == "CU"
             for part in sub.parts[1:]]
    return tuple((f"{part.title}, difference of shares of right readings in points", round(100 * part.low, 1))
                 for part in parts)


def safety(run: Run) -> Figures:
    """Return what attacks leave of each system, then the scores."""
    title = run.view.words.title
    kept = finite((f"{title}, {line.name}, {line.title}", line.accuracy) for line in robustness_lines(run.view)
                  if line.attacker)
    return (*kept, *((f"Security score of 100 ({item.profile}), {defence_name(item.system)}", item.value)
                     for item in run.scores))


def finite(figures: Iterable[tuple[str, Estimate]]) -> Figures:
    """Return the figures that could be computed, with both ends of their intervals."""
    return tuple((label, value) for label, value in figures
                 if all(map(math.isfinite, (value.value, value.low, value.high))))


def joined(texts: Iterable[str]) -> str:
    """Return texts as paragraphs, empty ones left out."""
    return "\n\n".join(filter(None, texts))
