"""The plan of an audit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from radversary.attacks.registry import ATTACKS
from radversary.auditing.batteries import AWARE, Entry, entries, named, with_aware_attackers, with_battery
from radversary.auditing.declared import IntendedUse
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.text import FAULT, VALUE, sentence
from radversary.core.types import AttackerKnowledge
from radversary.defenses.registry import TRANSFORMS
from radversary.detectors.registry import DETECTORS
from radversary.storage.documents import Seed
from radversary.storage.plans import Part, Plan, parse_plan

if TYPE_CHECKING:  # a plan is read, and refused, without PyTorch
    from radversary.attacks.base import Attack
    from radversary.defenses.base import Transform
    from radversary.detectors.base import Detector

RESERVED = ("clean", "identity")


class AttackPlan(Part):
    """One attack of an audit.

    Attributes:
        label: What it is called in tables; fixes its random choices together with the seed.
        strengths: At which strengths it is run, such as opacities; None takes the one among its options.
        knowledge: What the attacker knows; None takes all that make sense for the attack.
        surrogate: The model that a transfer attack is made on; several are attacked as one, by the mean of their logits
            (:class:`radversary.classifiers.ensemble.Ensemble`).
        images: At most so many test images, patients drawn at random; None takes all. For attacks that take long.
        defences: Labels of the defences it is run against, beside none; None takes all. For attacks that take long,
            too.
    """

    renamed: ClassVar[Mapping[str, str]] = MappingProxyType({"rungs": "knowledge"})
    label: str = Field(min_length=1)
    strengths: tuple[float, ...] | None = Field(default=None, min_length=1)
    knowledge: tuple[AttackerKnowledge, ...] | None = Field(default=None, min_length=1)
    surrogate: str | tuple[str, ...] | None = None
    images: int | None = Field(default=None, ge=1, le=10**9)
    defences: tuple[str, ...] | None = None

    @field_validator("surrogate", mode="before")
    @classmethod
    def _names(cls, given: Any) -> Any:  # noqa: ANN401
        if given is None or isinstance(given, str):
            return given
        if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
            raise ValueError("it must be the name of a model, or a list of names")
        if not given:
            raise ValueError("an empty list names no surrogate; name a model, or leave surrogate out")
        if repeated := [name for name in given if given.count(name) > 1]:
            raise ValueError(f"it names {repeated[0]!r} twice")
        return given

    @model_validator(mode="after")
    def _strengths_differ(self) -> Self:
        if self.strengths and len(set(self.strengths)) < len(self.strengths):
            raise ValueError(f"attack {self.label!r} lists a strength twice ({', '.join(map(str, self.strengths))})")
        if self.knowledge and AttackerKnowledge.TRANSFER in self.knowledge and self.surrogate is None:
            raise ValueError(f"attack {self.label!r} asks for a transfer attack but names no surrogate")
        return self

    def surrogates(self) -> tuple[str, ...]:
        """Return the names of the models that a transfer attack is made on, none where it has none.

        Example:
            >>> AttackPlan(label="t", name="fgsm", surrogate="other").surrogates()
            ('other',)
        """
        return (self.surrogate,) if isinstance(self.surrogate, str) else self.surrogate or ()

    def steps(self) -> tuple[float, ...]:
        """Return the strengths at which it is run."""
        return self.strengths or (self.build().current,)

    def known(self) -> tuple[AttackerKnowledge, ...]:
        """Return the knowledge levels on which it is run.

        Raises:
            PlanError: It looks at no model, so that there is nothing to know.
        """
        from radversary.auditing.threat_model import possible_knowledge

        possible = possible_knowledge(self.build(), surrogate=self.surrogate is not None)
        if self.knowledge is None:
            return possible
        if impossible := [knowledge for knowledge in self.knowledge if knowledge not in possible]:
            raise PlanError(f"attack {self.label!r} looks at no model, so it cannot be run with knowledge "
                            f"{impossible[0]!s}; leave out knowledge")
        return tuple(knowledge for knowledge in AttackerKnowledge if knowledge in self.knowledge)

    def build(self) -> Attack:
        """Return the attack.

        Raises:
            UnknownNameError: No such attack or hyper-parameter.
            PlanError: A hyper-parameter or strength it refuses.
        """
        attack = ATTACKS.create(self.name, **self.options)
        for strength in self.strengths or ():
            attack.at(strength)
        return attack


class DefencePlan(Plan):
    """One defence of an audit: transforms before a classifier, another classifier, or both.

    Attributes:
        label: What it is called in tables.
        transforms: What images go through first, in order; a name alone stands for a part without options. Restorers
            that a study trains go by the name they have in its plan.
        model: The classifier behind them; ``victim`` is the undefended one.
        guard: Folder of a guard that is calibrated for this model and frozen, as ``radversary detector calibrate``
            leaves it: it raises alarms and changes no reading. It stands alone, without transforms.
    """

    label: str = Field(min_length=1)
    transforms: tuple[Part, ...] = ()
    model: str = "victim"
    guard: str | None = Field(default=None, min_length=1)

    @field_validator("transforms", mode="before")
    @classmethod
    def _names_alone(cls, given: Any) -> Any:  # noqa: ANN401
        return parts_of(given)

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not self.transforms and self.model == "victim" and self.guard is None:
            raise ValueError(f"defence {self.label!r} has neither transforms nor a model of its own, and no guard")
        if self.transforms and self.guard is not None:
            raise ValueError(f"defence {self.label!r} has transforms and a guard, which judges images as its model was "
                             "given them when it was calibrated; make two defences of them")
        return self

    def build(self, trained: Mapping[str, Transform] = MappingProxyType({})) -> tuple[Transform, ...]:
        """Return the transforms.

        Args:
            trained: Trained transforms by name.

        Raises:
            UnknownNameError: No such transform or hyper-parameter.
            PlanError: Options for a transform that is trained already.
        """
        return tuple(self._build(part, trained) for part in self.transforms)

    def _build(self, part: Part, trained: Mapping[str, Transform]) -> Transform:
        self.check(part, trained)
        return trained[part.name] if part.name in trained else TRANSFORMS.create(part.name, **part.options)

    def check(self, part: Part, trained: Collection[str]) -> None:
        """Refuse a transform of this defence by its name and options alone, without importing it.

        Args:
            part: One of its transforms.
            trained: Names of trained transforms.

        Raises:
            UnknownNameError: No such transform or hyper-parameter.
            PlanError: Options for a transform that is trained already.
        """
        if part.name in trained:
            if part.options:
                raise PlanError(f"defence {self.label!r}: {part.name!r} is trained and takes no options here")
            return
        if part.name not in (known := TRANSFORMS.names()):
            raise UnknownNameError(f"transform of defence {self.label!r}", part.name, [*trained, *known])
        TRANSFORMS.check(part.name, part.options)


class BatteryPlan(Plan):
    """A plan of attacks, of which a battery is named in a word.

    Attributes:
        name: The run's name.
        seed: Of everything random.
        battery: A battery of attacks by name (``quick``, ``standard``, ``full``; :mod:`radversary.auditing.batteries`);
            they come before those of ``attacks``. Read with the battery's version, as it is written out.
        attacks: What is done to the images.
    """

    name: str = Field(default="audit", min_length=1)
    seed: Seed = 42
    battery: str | None = None
    attacks: tuple[AttackPlan, ...] = Field(min_length=1)

    @classmethod
    def battery_entries(cls, name: str) -> tuple[Entry, ...]:
        """Return the attacks of a battery for plans of this kind.

        Raises:
            UnknownNameError: No such battery.
        """
        return entries(name)

    def own_attacks(self) -> tuple[AttackPlan, ...]:
        """Return the attacks that are not the battery's.

        Example:
            >>> AuditPlan(battery="quick").own_attacks()
            ()
        """
        known = {item["label"] for item in self.battery_entries(self.battery)} if self.battery else set[str]()
        return tuple(item for item in self.attacks if item.label not in known)

    @model_validator(mode="before")
    @classmethod
    def _battery_written_out(cls, given: Any) -> Any:  # noqa: ANN401
        if isinstance(given, Mapping) and given.get("battery") is not None:
            return cls.written_out(given)
        return given

    @classmethod
    def written_out(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a plan's keys with its battery written out."""
        return with_battery(given, cls.battery_entries)

    def demanded(self) -> tuple[Entry, ...]:
        """Return the attacks that a plan of its battery must have as they are."""
        return () if self.battery is None else self.battery_entries(self.battery)

    @model_validator(mode="after")
    def _is_the_battery(self) -> Self:
        for item in self.demanded():
            if AttackPlan(**item) not in self.attacks:
                raise ValueError(f"attack {item['label']!r} is absent or another than in {self.battery}; leave out "
                                 "battery, or the change")
        return self


Batteried = TypeVar("Batteried", bound=BatteryPlan)


def with_named_battery(kind: type[Batteried], content: Any, battery: str | None, *, source: str) -> Batteried:  # noqa: ANN401
    """Return a plan with the attacks of a battery before its own, as a command line asks for both.

    Args:
        kind: The plan's class.
        content: What stands in its file; it may have no attacks of its own where a battery is given.
        battery: The battery's name; None leaves the plan as it is.
        source: What the plan is called.

    Raises:
        PlanError: The plan has a battery already, or a label of this one, or cannot be one.
        UnknownNameError: No such battery, or no such key.
    """
    if battery is None or not isinstance(content, Mapping):
        return parse_plan(kind, content, source=source)
    if content.get("battery") is not None:
        raise PlanError(f"the {source} has the battery {content['battery']} already: give a plan without one, or leave "
                        "out --battery")
    return parse_plan(kind, {**content, "battery": battery}, source=f"{source} with {battery}")


class AuditPlan(BatteryPlan):
    """An audit of classifiers that exist.

    Attributes:
        name, seed, battery: See :class:`BatteryPlan`.
        attacks: What is done to the images; the identity attack is always added.
        defences: What is evaluated; no defence is always added.
        detectors: What compares attacked images with their originals; a name alone stands for one without options.
        false_alarms: Rate the detectors are calibrated to on re-encoded clean images.
        bootstrap: Draws of the patient-level bootstrap.
        batch_size: Images at a time; also the unit that a stopped audit does not repeat.
        gallery: Images in the gallery.
        limit: At most so many test images, patients drawn at random; None takes all.
        probe_images: At most so many of them are probed, to see whether the attacks on a model can work at all; 0
            probes none.
        intended_use: What the model is for, in its maker's words; the report shows it. None says nothing of it.
    """

    renamed: ClassVar[Mapping[str, str]] = MappingProxyType({"exhibits": "gallery"})
    defences: tuple[DefencePlan, ...] = ()
    detectors: tuple[Part, ...] = tuple(Part(name=name) for name in ("edges", "ssim", "spectrum"))
    false_alarms: float = Field(default=0.05, gt=0, lt=1)
    bootstrap: int = Field(default=2000, ge=100, le=10**5)
    batch_size: int = Field(default=32, ge=1, le=2**16)
    gallery: int = Field(default=6, ge=0, le=1000)
    limit: int | None = Field(default=None, ge=1, le=10**9)
    probe_images: int = Field(default=24, ge=0, le=10**4)
    intended_use: IntendedUse | None = None

    def demanded(self) -> tuple[Entry, ...]:
        """Return the attacks of its battery, and where a defence has a guard, those that know detectors."""
        guarded = self.battery is not None and any(defence.guard is not None for defence in self.defences)
        return (*super().demanded(), *(AWARE[named(self.battery).name] if guarded and self.battery else ()))

    def own_attacks(self) -> tuple[AttackPlan, ...]:
        """Return the attacks that came neither with the battery nor with a guard beside it."""
        known = {item["label"] for item in self.demanded()}
        return tuple(item for item in self.attacks if item.label not in known)

    @classmethod
    def written_out(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a plan's keys with its battery written out, and where a defence has a guard, who knows detectors."""
        return with_aware_attackers(super().written_out(given))

    @field_validator("detectors", mode="before")
    @classmethod
    def _names_alone(cls, given: Any) -> Any:  # noqa: ANN401
        return parts_of(given)

    @model_validator(mode="after")
    def _named_apart(self) -> Self:
        refuse_repeats("detector", (detector.name for detector in self.detectors), ())
        refuse_repeats("attack", (attack.label for attack in self.attacks), RESERVED)
        refuse_repeats("defence", (defence.label for defence in self.defences), ("none",))
        known = ["none", *(defence.label for defence in self.defences)]
        for attack in self.attacks:
            if unknown := [label for label in attack.defences or () if label not in known]:
                raise ValueError(f"attack {attack.label!r} names defence {unknown[0]!r}, which is not among the "
                                 f"defences ({', '.join(known)})")
        return self

    def __repr__(self) -> str:
        return sentence(f"{type(self).__name__}({sentence(self.name, VALUE)!r}: {self._contents()}, seed={self.seed})",
                        FAULT)

    def _contents(self) -> str:
        """Return what it names, in one line."""
        attacks, defences = (", ".join(item.label for item in items) for items in (self.attacks, self.defences))
        return f"attacks {sentence(attacks, VALUE)}; defences {sentence(defences, VALUE) or 'none'}"

    __str__ = __repr__

    def build_detectors(self) -> dict[str, Detector]:
        """Return the detectors by name.

        Raises:
            UnknownNameError: No such detector or hyper-parameter.
            PlanError: A hyper-parameter that it refuses.
        """
        return {part.name: DETECTORS.create(part.name, **part.options) for part in self.detectors}


def parts_of(given: Any) -> Any:  # noqa: ANN401
    """Return parts where a list gives some by name alone; what is no list is returned as it is.

    Example:
        >>> parts_of(["jpeg", {"name": "canonical"}])
        [{'name': 'jpeg'}, {'name': 'canonical'}]
    """
    if not isinstance(given, list | tuple):
        return given
    return [{"name": part} if isinstance(part, str) else part for part in given]


def refuse_repeats(kind: str, labels: Iterable[str], reserved: tuple[str, ...]) -> None:
    """Refuse labels that occur twice or are reserved.

    Raises:
        ValueError: One does.
    """
    seen = set(reserved)
    for label in labels:
        if label in seen:
            raise ValueError(f"{kind} label {label!r} is used twice or reserved")
        seen.add(label)
