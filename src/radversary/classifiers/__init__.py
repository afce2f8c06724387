"""Classifiers of radiographs (the victims): cards, weights and adapters."""

from radversary.classifiers.files import load_classifier, save_classifier
from radversary.classifiers.torch_module import wrap

__all__ = ["load_classifier", "save_classifier", "wrap"]
