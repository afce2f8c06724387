"""Victims: what reads the radiographs, its card, its weights and its adapters."""

from radversary.classifiers.files import load_classifier, save_classifier
from radversary.classifiers.torch_module import wrap

__all__ = ["load_classifier", "save_classifier", "wrap"]
