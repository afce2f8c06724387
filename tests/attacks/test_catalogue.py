"""What is listed of attacks is what they say of themselves, and their ids are in the taxonomies."""

from __future__ import annotations

import os
from importlib.resources import files

import pytest

from radversary.attacks.catalogue import FILE, catalogue, catalogue_text
from radversary.attacks.registry import ATTACKS
from radversary.attacks.taxonomy import taxonomies, technique
from radversary.core.errors import UnknownNameError


@pytest.mark.slow
def test_the_file_holds_what_attacks_say_of_themselves():
    place = files("radversary.attacks").joinpath(FILE)
    if os.environ.get("RADVERSARY_WRITE"):  # RADVERSARY_WRITE=1 pytest tests/attacks/test_catalogue.py writes it
        place.write_text(catalogue_text(), encoding="utf-8")
    assert place.read_text(encoding="utf-8") == catalogue_text()
    assert set(catalogue()) == set(ATTACKS.names())


def test_every_attack_is_a_technique_of_both_taxonomies():
    for name, row in catalogue().items():
        assert technique(row.nist).taxonomy == "nist", name
        assert technique(row.atlas).taxonomy == "atlas", name
    assert taxonomies()["atlas"]["AML.T0043"].version.startswith("5.6")


def test_a_technique_that_is_none_is_one_sentence():
    with pytest.raises(UnknownNameError, match=r"unknown technique 'AML.T0043.01'; did you mean 'AML.T0043.001'"):
        technique("AML.T0043.01")
