"""The page of the forms' figures, as docs/results/forms.md holds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

HEAD = """# The same weights in every form

[All results](README.md)

`python -m benchmarks forms` writes this page and [forms.json](forms.json). Each form is written to disk or
served, loaded by `radversary.load_model` and asked about the same films. But for what was timed, the page is
the same whenever the command runs on the same machine.
"""

EQUAL = """## What they answer, and what attacks make of them

A ResNet-18 in torchvision's layout, trained for {epochs} epochs on {trained} phantoms of {side} px (accuracy on
the {films} films below, of other patients: {accuracy}). Logits and decisions: n = {films} films, in batches of
32; gradient of the margin: n = {gradient} films. Greatest logit {logit}, greatest gradient {slope}.

Attacks at 4/255 (`pgd` in 10 steps) and at opacity 0.5; {counts}.
`=`: all attacked images are equal, byte for byte, to those of the module; else in how many pixels they differ, by how
many grey levels of 255 at most, and on how many films the attack succeeds.
"""

SPEED = """## How fast they are

{films} films, in turn with all others, median of {rounds}, each asked for one batch of 32 before; {load} runnable
processes on the machine. Loading: the second time in a process, so without the import of libraries. The servers run in
the same process as the classifiers that ask them and share Python's lock with them.
"""

BINARY = """## One decision in five forms

`{no}` or `{yes}` by the same network with one output, the difference of the two logits. Attacked one attack at
a time, at {epsilon}/255 or opacity 0.3: films whose decision changes, of the n = {n} ({findings} with the
finding) that the model reads rightly. In brackets: attacked images that are, byte for byte, those of the single
logit, where not all are.
"""

ROUNDING = """What differs in the last digits is the order in which a convolution sums: an image alone, weights that
lie in memory channel by channel, another library. A gradient may differ by more, as next to a kink rounding decides on
which side of it a unit is: between the two orders of memory, n = {n} films, {units} of {of_units} outputs of a ReLU
are zero in one and not in the other, {maxima} of {of_maxima} maxima of the pooling lie in another place, as
maps of an even background have several, and the gradient differs by {single}. In double precision that is
{double_units} outputs, {double_maxima} maxima and {double}.
"""

CONSTANT = """In the last row the attack climbs the cross-entropy of classes, of which a network with one output has
one: the softmax of one number is 1 whatever it is, the loss is 0, and the greatest gradient was {greatest}. The
loop is in `benchmarks/binary_forms.py` and uses no attack of the library. What `pgd` moves is the noise of its
random start.
"""


def page(record: Mapping[str, Any]) -> str:
    """Return the page.

    Args:
        record: What :func:`benchmarks.forms.forms` found.
    """
    parts = (HEAD, equal(record), speed(record), binary(record["binary"]), machine(record["environment"]))
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *rows)]
    return "\n".join(lines) + "\n"


def named(forms: Iterable[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return forms with their names, in the order of the record."""
    return [(str(own["form"]), own) for own in forms]


def equal(record: Mapping[str, Any]) -> str:
    """Return the table of answers and attacks."""
    training, greatest, attacked = record["training"], record["greatest"], record["attacked"]
    counts = "n = " + ", ".join(f"{count} films ({name})" for name, count in sorted(attacked.items()))
    text = EQUAL.format(
        epochs=training["epochs"], trained=training["films"], side=record["side"], films=record["films"],
        accuracy=f"{100 * training['accuracy']:.1f} %", gradient=attacked["pgd"], counts=counts,
        logit=f"{greatest['logit']:.1f}", slope=f"{greatest['gradient']:.2g}")
    attacks = sorted(attacked)
    heads = ["form", "access", "greatest difference of a logit", "equal decisions", "of a gradient", *attacks]
    rows = [[name, own["access"], figure(own["logit"]), f"{own['equal decisions']} of {record['films']}",
             figure(own.get("gradient")), *(pixels(own["attacks"].get(attack)) for attack in attacks)]
            for name, own in named(record["forms"])]
    missing = "".join(f"\nNot measured: {name} ({reason})\n" for name, reason in sorted(record["missing"].items()))
    return f"{text}\n{table(heads, rows)}{missing}\n{explained(record)}"


def explained(record: Mapping[str, Any]) -> str:
    """Say how much of the differences is rounding."""
    single, double = record["rounding"]["float32"], record["rounding"]["float64"]
    return ROUNDING.format(
        n=record["attacked"]["pgd"], units=single["units"], of_units=f"{single['of units']:,}",
        maxima=single["maxima"], of_maxima=f"{single['of maxima']:,}", single=figure(single["gradient"]),
        double_units=double["units"], double_maxima=double["maxima"], double=figure(double["gradient"]))


def figure(value: float | None) -> str:
    """Write a difference; a dash where there is none to take."""
    return "–" if value is None else "0" if value == 0 else f"{value:.1e}"


def pixels(found: Mapping[str, int] | None) -> str:
    """Write how far attacked images differ; a dash where access does not allow the attack."""
    if found is None:
        return "–"
    if not found["pixels"]:
        return "="
    return (f"{found['pixels']:,} of {found['of']:,} px, by {found['levels']}; succeeds on {found['success']} "
            f"(module {found['success of the module']})")


def speed(record: Mapping[str, Any]) -> str:
    """Return the table of timings."""
    films, forms = record["timed"], dict(named(record["forms"]))
    seconds = {name: median(own["seconds"]) for name, own in forms.items()}
    ours = next(iter(seconds.values()))
    rows = [[name, f"{films / seconds[name]:.0f}", f"{ours / seconds[name]:.2f}",
             "–" if own["load seconds"] is None else f"{own['load seconds']:.2f}"] for name, own in forms.items()]
    text = SPEED.format(films=films, load=f"{record['load']:.0f}", rounds=len(next(iter(forms.values()))["seconds"]))
    return f"{text}\n{table(['form', 'films a second', 'times the pace of the module', 'seconds to load'], rows)}"


def binary(found: Mapping[str, Any]) -> str:
    """Return the table of one decision's forms."""
    no, yes = found["classes"]
    text = BINARY.format(no=no, yes=yes, epsilon=2, n=found["n"], findings=found["findings"])
    attacks = sorted(found["attacks"])
    rows = [[name, *(succeeded(own["attacks"][label], found["n"]) for label in attacks)]
            for name, own in named(found["forms"])]
    other = found["cross-entropy over one output"]
    rows.append(["*a cross-entropy over the one output*", *(share(other[label]["success"], found["n"])
                                                            if label in other else "–" for label in attacks)])
    return f"{text}\n{table(['form', *attacks], rows)}\n{constant(found)}"


def share(success: int, count: int) -> str:
    """Write a share of films."""
    return f"{100 * success / count:.1f} % ({success})"


def succeeded(cell: Mapping[str, int], count: int) -> str:
    """Write success, and how many images are equal where not all are."""
    alike = "" if cell["equal images"] == count else f" [{cell['equal images']} of {count}]"
    return share(cell["success"], count) + alike


def constant(found: Mapping[str, Any]) -> str:
    """Say what the last row of the table is."""
    greatest = max(own["greatest gradient"] for own in found["cross-entropy over one output"].values())
    text = CONSTANT.format(greatest=f"{greatest:g}")
    if found["foolbox"] is None:
        return text
    other = found["foolbox"]
    said = "; ".join(f"label {label}: {what.rstrip('.')}" for label, what in sorted(other["success by label"].items()))
    return f"{text}\nfoolbox {other['version']}, FGSM on the same network, films and bound, success: {said}.\n"


def machine(environment: Mapping[str, Any]) -> str:
    """Say where the figures are from."""
    versions = ", ".join(f"{name} {number}" for name, number in sorted(environment["libraries"].items()))
    return (f"Python {environment['python']}, {versions}; {environment['processor']}, {environment['threads']} threads "
            f"on {environment['cores']} cores.\n")
