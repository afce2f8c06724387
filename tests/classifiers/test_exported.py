"""Exported programs run nothing of their own, and what is wrong with one is a sentence."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import zipfile

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from programs_on_disk import SIDE, edited, exported, repacked, small
from radversary.classifiers.exported import load_exported
from radversary.classifiers.operators import target_computes
from radversary.classifiers.program_text import checked_program
from radversary.classifiers.registry import load
from radversary.core.errors import InputError, ModelError, UnsafeModelError
from random_parts import smooth_images

WEIGHTS, CONSTANTS = "data/weights/model_weights_config.json", "data/constants/model_constants_config.json"


class Payload:
    """What a pickle runs when it is loaded."""

    def __init__(self, mark) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def torch_pickle(content) -> bytes:
    made = io.BytesIO()
    torch.save(content, made)
    return made.getvalue()


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return exported(small(), tmp_path_factory.mktemp("export") / "model.pt2", batch=torch.export.Dim("b"))


@pytest.fixture
def program(original, tmp_path):
    for file in original.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path / "model.pt2"


@pytest.fixture
def mark(tmp_path):
    return tmp_path / "ran"


def in_samples(path, mark):
    repacked(path, lambda members: members.update({"data/sample_inputs/model.pt": torch_pickle(Payload(mark))}))


def in_guards(path, mark):
    edited(path, lambda program: program.update(guards_code=[f"__import__('os').mkdir({str(mark)!r}) or True"]))


def in_a_weight(path, mark):
    repacked(path, lambda members: members.update({"data/weights/weight_0": torch_pickle(Payload(mark))}))
    edited(path, lambda table: next(iter(table["config"].values())).update(use_pickle=True), WEIGHTS)


def in_a_constant(path, mark):
    repacked(path, lambda members: members.update({"data/constants/opaque_obj_0": pickle.dumps(Payload(mark))}))
    entry = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    edited(path, lambda table: table["config"].update(x=entry), CONSTANTS)


def in_a_length(path, mark):
    def change(members):
        text = members["models/model.json"].decode()
        code = f"__import__('os').mkdir({str(mark)!r}) or Symbol("
        assert "Symbol(" in text
        members["models/model.json"] = text.replace("Symbol(", json.dumps(code)[1:-1]).encode()

    repacked(path, change)


def in_a_call(path, mark):
    node = {"target": "torch.os.mkdir", "outputs": [{"as_int": 0}], "metadata": {}, "name": "made",
            "inputs": [{"name": "", "arg": {"as_string": str(mark)}, "kind": 1}]}
    edited(path, lambda program: program["graph_module"]["graph"]["nodes"].insert(0, node))


def in_a_file_of_numbers(path, mark):
    def change(program):
        graph = program["graph_module"]["graph"]
        graph["tensor_values"]["made"] = dict(next(iter(graph["tensor_values"].values())))
        inputs = {"filename": {"as_string": str(mark)}, "shared": {"as_bool": True}, "size": {"as_int": 4}}
        graph["nodes"].insert(0, {
            "target": "torch.ops.aten.from_file.default", "outputs": [{"as_tensor": {"name": "made"}}], "metadata": {},
            "inputs": [{"name": name, "arg": arg, "kind": 1} for name, arg in inputs.items()], "name": "made"})

    edited(path, change)


def in_a_name(path, mark):
    def change(members):
        text, code = members["models/model.json"].decode(), f"relu=__import__('os').mkdir({str(mark)!r});relu"
        members["models/model.json"] = text.replace('"relu"', json.dumps(code)).encode()

    repacked(path, change)


DROPPED = (in_samples, in_guards)
REFUSED = (in_a_weight, in_a_constant, in_a_length, in_a_call, in_a_file_of_numbers, in_a_name)
RUN_BY_TORCH = (in_samples, in_guards, in_a_weight, in_a_constant, in_a_length, in_a_file_of_numbers)


@pytest.mark.slow
@pytest.mark.parametrize("hide", [*DROPPED, *REFUSED])
def test_code_in_a_program_is_dropped_or_refused_and_never_run(hide, program, mark):
    expected = load(program).logits(smooth_images(2, SIDE))
    hide(program, mark)
    if hide in DROPPED:
        assert torch.equal(load(program).logits(smooth_images(2, SIDE)), expected)
    else:
        with pytest.raises(UnsafeModelError, match=r"model\.pt2"):
            load(program)
    assert not mark.exists()


@pytest.mark.slow
@pytest.mark.parametrize("hide", RUN_BY_TORCH)
@pytest.mark.filterwarnings("ignore")
def test_these_are_attacks_as_pytorch_itself_runs_them(hide, program, mark):
    hide(program, mark)
    with contextlib.suppress(Exception):  # it fails afterwards, too late
        torch.export.load(program).module()(torch.rand(2, 3, SIDE, SIDE))
    assert mark.exists()


@pytest.mark.slow
@pytest.mark.parametrize("change", [
    lambda members: members.update({"data/aotinductor/model/x.so": b"\x7fELF"}),
    lambda members: edit(members, WEIGHTS, lambda table: [entry.update(tensor_meta=None) for entry in
                                                          table["config"].values()])])
def test_compiled_code_and_what_is_no_tensor_are_refused(change, program):
    with pytest.raises(UnsafeModelError):
        load(repacked(program, change))


def edit(members, name, change):
    content = json.loads(members[name])
    change(content)
    members[name] = json.dumps(content).encode()


@pytest.mark.slow
@pytest.mark.parametrize("member", ["models/model.json", WEIGHTS, CONSTANTS])
def test_an_archive_that_lacks_a_part_is_one_sentence(member, program):
    with pytest.raises(ModelError, match="is damaged"):
        load(repacked(program, lambda members: members.pop(member) and members.setdefault("models/other.json", b"{}")))


def test_weights_without_bytes_take_no_memory(program):
    def change(table):
        for entry in table["config"].values():
            entry["tensor_meta"]["sizes"] = [{"as_int": 10**12}]

    repacked(program, lambda members: members.update({"data/weights/weight_0": b""}))
    with pytest.raises(ModelError, match="has no bytes"):
        load(edited(program, change, WEIGHTS))


@pytest.mark.parametrize("length", range(0, 60_000, 7_000))
def test_a_file_that_ends_early_is_one_sentence(length, program):
    program.write_bytes(program.read_bytes()[:length])
    with pytest.raises(ModelError, match=r"no zip archive that can be read, or is damaged: \S"):
        load(program)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_program_loads_or_is_one_sentence(data, original, tmp_path, capfd):
    with zipfile.ZipFile(original) as archive:
        text = archive.read("model/models/model.json").decode()
    copy = tmp_path / "model.pt2"
    for file in original.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(["", "0", '"', "x", "}", "null", "9"]))
    damaged = text[:place] + other + text[place + 1:]
    repacked(copy, lambda members: members.update({"models/model.json": damaged.encode()}))
    with contextlib.suppress(InputError):  # nothing else may be raised, and nothing printed
        load_exported(copy)
    assert "Traceback" not in "".join(capfd.readouterr())


def test_programs_of_another_kind_are_one_sentence(tmp_path):
    path = tmp_path / "model.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("serialized_exported_program.json", "{}")
    with pytest.raises(UnsafeModelError, match=r"exported by PyTorch 2\.7 or earlier"):
        load(path)
    path.write_bytes(b"no archive")
    with pytest.raises(ModelError, match="no zip archive"):
        load(path)
    with pytest.raises(ModelError, match="there is no model at"):
        load(tmp_path / "absent.pt2")


class Two(nn.Module):
    def forward(self, images, other):
        return images.flatten(1)[:, :3] + other


@pytest.mark.slow
@pytest.mark.parametrize(("network", "images", "said"), [
    (small(training=True), None, r"exported in training mode \(aten\.\w+\.default in it is being trained\)"),
    (small(), torch.rand(2, 3, SIDE, 48), "takes images of 3 x 32 x 48 .* it would be given 3 x 32 x 32"),
    (nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, 3)), torch.rand(2, 1, SIDE, SIDE), "takes images of 1 x 32 x 32"),
    (small().half(), torch.rand(2, 3, SIDE, SIDE).half(), "takes float16 images, expected float32")])
def test_what_does_not_fit_the_card_is_one_sentence(network, images, said, tmp_path):
    with pytest.raises(ModelError, match=said):
        load(exported(network, tmp_path / "model.pt2", images=images))


@pytest.mark.slow
def test_a_program_of_two_inputs_is_one_sentence(tmp_path, program):
    made = torch.export.export(Two(), (torch.rand(2, 3, SIDE, SIDE), torch.rand(2, 3)))
    torch.export.save(made, program)
    with pytest.raises(ModelError, match=r"takes 2 inputs \(\(2, 3, 32, 32\), \(2, 3\)\), expected one tensor"):
        load(program)


@pytest.mark.slow
def test_sizes_that_are_not_fixed_are_those_of_the_card(tmp_path):
    dims = torch.export.Dim
    path = exported(small(), tmp_path / "model.pt2", batch=dims("b"))
    shapes = ({0: dims("b"), 2: dims("h", min=16), 3: dims("w", min=16)},)
    torch.export.save(torch.export.export(small(), (torch.rand(3, 3, 40, 32),), dynamic_shapes=shapes), path)
    assert load(path).logits(smooth_images(3, SIDE)).shape == (3, 3)


@pytest.mark.parametrize("target", ["torch.os.system", "torch.ops.mine.op.default", "torch.ops.aten.save.default",
                                    "torch.ops.aten.relu.__class__", "torch.ops.aten.__class__.default", "eval", "",
                                    "torch.ops.load_library", "_operator.attrgetter", "#x:y", "torch.hub.load",
                                    "torch.ops.higher_order.triton_kernel_wrapper_mutation", "math.__loader__"])
def test_a_node_calls_nothing_but_operators_that_compute(target):
    assert not target_computes(target)


@pytest.mark.parametrize("text", ["Symbol('s0', positive=True).__class__", "(lambda: 1)()", "[x for x in y]",
                                  "open('x')",
                                  "Symbol('__import__(\"os\")')", "Pow(Integer(9), Pow(Integer(9), Integer(9)))",
                                  "9**9**9", "sympify('x')", "s0.func", "f'{x}'", "Symbol(*x)", "1 if x else 2"])
def test_lengths_are_arithmetic(text):
    with pytest.raises(UnsafeModelError, match="should have an expression of shapes"):
        checked_program(json.dumps({"as_expr": {"expr_str": text}}).encode(), "x")


@pytest.mark.parametrize("text", ["Symbol('s31', positive=True, integer=True)", "Integer(3)", "s0 + 2*s1",
                                  "Mul(Integer(3), Pow(Symbol('s0'), Integer(-1)))", "Max(1, FloorDiv(s0, 4))"])
def test_arithmetic_on_lengths_passes(text):
    checked_program(json.dumps({"as_expr": {"expr_str": text}}).encode(), "x")
