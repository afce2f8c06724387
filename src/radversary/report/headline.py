"""The conclusion of a report in one sentence, built from the figures."""

from __future__ import annotations

from markupsafe import Markup

from radversary.auditing.cell_table import NONE
from radversary.auditing.cells import UNTARGETED, Cell, Condition
from radversary.auditing.wording import goal_words, level, measure_name
from radversary.core.types import AttackerKnowledge, Estimate, Task
from radversary.report.formats import emphasised, interval, percent, signed, signed_interval
from radversary.report.result_view import ResultView


def conclusion(view: ResultView) -> Markup:
    """Say in one sentence what the audit found, every figure with its interval.

    The count of images stands at the head; a figure over another count carries its own. Verbs follow the
    paired intervals: a change whose interval contains zero is never called a fall or a gain.

    Args:
        view: The result.

    Returns:
        One sentence as safe HTML.
    """
    clean = view.clean(NONE)
    if clean is None:
        return Markup("This run holds no figures of the undefended classifier on untouched images, "
                      "so nothing can be concluded from it.")
    count = clean.performance.accuracy.n
    if not view.labelled:
        return _stability(view, count)
    clauses = [_start(view, clean, count) + _fall(view, clean, count), _defence(view, count),
               _detection(view, count)]
    return Markup("; ").join(clause for clause in clauses if clause) + Markup(".")


def figure(estimate: Estimate, count: int) -> Markup:
    """Write a share with its interval, and its count of images where it differs from ``count``."""
    number = Markup(", n&nbsp;=&nbsp;{}").format(estimate.n) if estimate.n != count else ""
    return Markup('<strong>{}</strong> <span class="ci">{}{}</span>').format(
        percent(estimate.value), interval(estimate), number)


def condition_name(condition: Condition) -> Markup:
    """Name an attack, its strength and, unless it is oblivious, its knowledge level."""
    knowledge = "" if condition.knowledge == AttackerKnowledge.OBLIVIOUS else f" ({condition.knowledge})"
    goal = "" if condition.goal == UNTARGETED else f", whose goal is to {goal_words(condition.goal)},"
    return Markup("<em>{}</em> at {}&nbsp;{}{}{}").format(
        condition.attack, measure_name(condition.measure), level(condition.strength, condition.measure), knowledge,
        goal)


def _stability(view: ResultView, count: int) -> Markup:
    """Say, where no image has a label, which share of readings an attack leaves unchanged."""
    start, worst = _counted(view, count), view.worst
    cell = view.cell(worst, NONE) if worst else None
    if worst is None or cell is None:
        return start + Markup(", none of which has a label, no attack was run, so nothing is known of the classifier.")
    clauses = [Markup("{}, none of which has a label, {} leaves {} of what the classifier reads unchanged").format(
        start, condition_name(worst), figure(cell.performance.accuracy, count))]
    name = view.best_defence
    defended = view.cell(worst, name) if name else None
    if name and defended:
        clauses.append(Markup("behind <em>{}</em> {} of the readings are those of the classifier alone on clean images"
                              ).format(name, figure(defended.performance.accuracy, count)))
    clauses.append(_detection(view, count))
    return Markup("; ").join(clause for clause in clauses if clause) + Markup(".")


def _counted(view: ResultView, count: int) -> Markup:
    """Say how many images, or readings of images, of how many patients were judged."""
    data, patients = view.result.data, view.result.data.patients.get("test")
    of_patients = Markup(" of {} patients").format(patients) if patients and data.patients_known else Markup("")
    if view.result.task != Task.MULTILABEL:
        return Markup("On {} test images{}").format(count, of_patients)
    images = f"{data.images['test']} test images" if "test" in data.images else "the test images"
    known = " whose truth is known" if view.labelled else ""
    return Markup("On {} readings{} ({} findings, {}{})").format(count, known, len(view.result.classes), images,
                                                                 of_patients)


def _bar(view: ResultView) -> Markup:
    """Say from which probability on a binary model reads its finding; nothing of other models."""
    if view.result.task != Task.BINARY or not view.result.thresholds:
        return Markup("")
    return Markup(", which reads {} from a probability of {:g} on,").format(
        view.result.classes[1], view.result.thresholds[0])


def _start(view: ResultView, clean: Cell, count: int) -> Markup:
    start = _counted(view, count) + Markup(" the classifier{} ").format(_bar(view))
    if view.worst is None:
        return start + Markup("reads {} correctly; no attack was run").format(figure(clean.performance.accuracy, count))
    return start


def _fall(view: ResultView, clean: Cell, count: int) -> Markup:
    worst = view.worst
    cell = view.cell(worst, NONE) if worst else None
    if worst is None or cell is None:
        return Markup("")
    known = view.standing.before if view.is_subset(worst) else None
    if known is None:
        shown = 0 if view.is_subset(worst) else count  # two sets of images, nothing paired: both say their n
        before, after = (figure(c.performance.accuracy, shown) for c in (clean, cell))
        return _change(cell, clean, before, after, Markup(" under ") + condition_name(worst))
    change = _change(cell, clean, Markup("{} of {}").format(*known), figure(cell.performance.accuracy, count))
    return Markup("reads {} correctly; under {}, which was run on {} of them, it {}").format(
        figure(clean.performance.accuracy, count), condition_name(worst), known[1], change)


def _change(cell: Cell, clean: Cell, before: Markup, after: Markup, where: Markup = Markup("")) -> Markup:
    change = cell.against_clean.difference if cell.against_clean else None
    if change is not None and not emphasised(change):
        return Markup("goes from {} to {} right answers{}, a change that these images cannot tell from none").format(
            before, after, where)
    gain = change.value if change else cell.performance.accuracy.value - clean.performance.accuracy.value
    return Markup("{} from {} to {} right answers{}").format("rises" if gain > 0 else "falls", before, after, where)


def _defence(view: ResultView, count: int) -> Markup:
    worst, name = view.worst, view.best_defence
    cell = view.cell(worst, name) if worst and name else None
    if cell is None:
        return Markup("no defence was measured") if worst else Markup("")
    gain = cell.against_none.difference if cell.against_none else None
    weak = gain is not None and not gain.low > 0
    verdict = "reaches {}, no gain beyond the uncertainty of these images" if weak else "keeps {}"
    kept = Markup(verdict).format(figure(cell.performance.accuracy, count))  # noqa: S704 - both texts are ours
    return Markup("behind <em>{}</em> it {}{}").format(name, kept, _cost(view.clean(cell.defence)))


def _cost(clean: Cell | None) -> Markup:
    if clean is None or clean.against_none is None:
        return Markup("")
    cost = clean.against_none.difference
    return Markup(' (on clean images {} points <span class="ci">{}</span>)').format(
        signed(cost.value), signed_interval(cost))


def _guard(view: ResultView, count: int) -> Markup:
    """Say what a guard flagged, of several the one that lets least pass; nothing where none was audited."""
    cells = [cell for name in view.guards if view.worst and (cell := view.cell(view.worst, name)) and cell.alarms]
    best = min(cells, key=lambda cell: cell.alarms.accepted_errors.value if cell.alarms else 1.0, default=None)
    clean = view.clean(best.defence) if best else None
    if not (best and best.alarms and clean and clean.alarms):
        return Markup("")
    return Markup("the guard <em>{}</em> flags {} of the attacked images and {} of the clean ones, and {} are wrong "
                  "and accepted").format(best.defence, figure(best.alarms.flagged, count),
                                     figure(clean.alarms.flagged, count), figure(best.alarms.accepted_errors, count))


def _detection(view: ResultView, count: int) -> Markup:
    if guarded := _guard(view, count):
        return guarded
    found = view.best_detection
    if found is None:
        return Markup("whether the attack is detected was not measured") if view.worst else Markup("")
    needs = "with the original at hand" if found.needs_original else "without the original"
    return Markup("{}, <em>{}</em> detects the attack in {} and raises a false alarm on {} of the clean images").format(
        needs, found.detector, figure(found.alarms, count), figure(found.false_alarms, count))
