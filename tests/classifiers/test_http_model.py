"""A model behind HTTP, asked as a stranger's server is asked: real requests to a server on this machine."""

from __future__ import annotations

import json
import pickle
import re
import time
from pathlib import Path

import pytest
import torch

from model_server import ModelServer, Raw, metadata, open_inference, plain, write_served
from radversary.classifiers.card import ModelCard, make_card
from radversary.classifiers.http_files import Served, read_served
from radversary.classifiers.http_model import HttpClassifier
from radversary.classifiers.probe import check_answers
from radversary.classifiers.registry import CLASSIFIERS, load
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import AccessError, ModelError, TensorError, UnknownNameError
from radversary.core.types import Access
from random_parts import smooth_images, tiny_classifier
from threads import at_once

pytestmark = pytest.mark.slow

CARD = {"name": "lungs", "architecture": "served", "classes": ["a", "b", "c"], "size": 32}
DRAWN = tiny_classifier()


def served(server, path="/predict", **changes):
    card = make_card("a test", {**CARD, **changes.pop("card", {})})
    return HttpClassifier(Served(url=server.root + path, card=card, **{"retries": 0, **changes}))


def labels(inputs):
    return DRAWN.module(inputs).argmax(1)


# The same numbers as the model in this process.

@pytest.mark.parametrize(("path", "answer"), [
    ("/predict", plain(DRAWN.module)),
    ("/v2/models/lungs", open_inference(DRAWN.module, metadata([-1, 3, 32, 32]))),
    ("/v2/models/lungs/infer", open_inference(DRAWN.module, metadata([-1, -1, -1, -1]))),
    ("/v2/models/lungs", open_inference(DRAWN.module, {"name": "lungs", "inputs": [], "outputs": []})),
    ("/v2/models/lungs", open_inference(DRAWN.module, metadata([4, 3, 32, 32]))),
    ("/v2/models/lungs", open_inference(lambda inputs: DRAWN.module(inputs.permute(0, 3, 1, 2)),
                                        metadata([-1, 32, 32, 3]))),
])
def test_it_says_what_the_same_weights_say_here(path, answer):
    images = smooth_images(11)
    with ModelServer(answer) as server:
        remote = served(server, path)
        torch.testing.assert_close(remote.logits(images), DRAWN.logits(images), rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(remote.scores(images), DRAWN.scores(images))
        assert torch.equal(remote.predict(images), DRAWN.predict(images))
        assert remote.access == Access.SCORES
        assert remote.logits(images[:0]).shape == (0, 3)
        assert not remote.logits(images.requires_grad_()).requires_grad
        check_answers(remote)


def test_what_is_sent_is_what_the_card_says_bit_by_bit():
    images = smooth_images(2, 48)
    card = {"size": 48, "crop": [32, 40], "input_range": [-1024, 1024], "mean": [3.0], "std": [7.0]}
    with ModelServer(lambda asked: [[1.0, 2.0, 3.0]] * len(asked.content["instances"])) as server:
        served(server, card=card).logits(images)
        sent = torch.tensor(server.posts()[0].content["instances"])
    expected = (images[..., 8:40, 4:44] * 2048 - 1024 - 3) / 7
    assert torch.equal(sent, expected)


def test_channels_come_last_where_the_file_says_so():
    with ModelServer(lambda asked: [[1.0, 2.0, 3.0]] * len(asked.content["instances"])) as server:
        served(server, layout="NHWC").logits(smooth_images(1))
        assert torch.tensor(server.posts()[0].content["instances"]).shape == (1, 32, 32, 3)


@pytest.mark.parametrize(("card", "network", "name", "expected"), [
    ({"output": "probabilities"}, lambda inputs: DRAWN.module(inputs).softmax(1), "probabilities", DRAWN.scores),
    ({"output": "probabilities"}, lambda inputs: DRAWN.module(inputs).softmax(1), "predictions", DRAWN.scores),
    ({"task": "binary", "classes": ["no", "yes"], "output": "logits"},
     lambda inputs: DRAWN.module(inputs)[:, :1], "outputs",
     lambda images: torch.stack([-DRAWN.logits(images)[:, 0], DRAWN.logits(images)[:, 0]], 1).sigmoid()),
    ({"task": "binary", "classes": ["no", "yes"], "output": "probabilities"},
     lambda inputs: DRAWN.module(inputs)[:, 0].sigmoid(), "predictions",
     lambda images: torch.stack([-DRAWN.logits(images)[:, 0], DRAWN.logits(images)[:, 0]], 1).sigmoid()),
    ({"task": "multilabel", "classes": ["c", "a"], "outputs": ["a", "b", "c"], "output": "logits"},
     DRAWN.module, "logits", lambda images: DRAWN.logits(images)[:, [2, 0]].sigmoid()),
])
def test_each_task_and_form_of_scores(card, network, name, expected):
    images = smooth_images(5)
    with ModelServer(plain(network, name)) as server:
        torch.testing.assert_close(served(server, card=card).scores(images), expected(images), rtol=1e-5, atol=1e-6)


def test_one_named_output_of_several_is_read():
    def answer(asked):
        made = DRAWN.module(torch.tensor(asked.content["instances"])).tolist()
        return {"predictions": [{"embedding": [0.0], "score": row} for row in made]}

    with ModelServer(answer) as server:
        images = smooth_images(2)
        torch.testing.assert_close(served(server, output_name="score").logits(images), DRAWN.logits(images))
        with pytest.raises(ModelError, match=r"several outputs for each image; name one of \['embedding', 'score'\]"):
            served(server).logits(images)


# Labels alone.

def named(inputs):
    return [["a", "b", "c"][place] for place in labels(inputs).tolist()]


@pytest.mark.parametrize("answer", [
    lambda asked: {"labels": named(torch.tensor(asked.content["instances"]))},
    lambda asked: {"predictions": labels(torch.tensor(asked.content["instances"])).tolist()},
    lambda asked: [[place] for place in labels(torch.tensor(asked.content["instances"])).tolist()],
])
def test_labels_alone_are_decisions_and_no_scores(answer):
    images = smooth_images(5)
    with ModelServer(answer) as server:
        remote = served(server, answers="labels")
        assert remote.access == Access.LABELS
        assert torch.equal(remote.predict(images), DRAWN.predict(images))
        assert remote.decide(images[:0]).shape == (0,)
        with pytest.raises(AccessError, match="answers with labels alone"):
            remote.logits(images)
        check_answers(remote)


@pytest.mark.parametrize("datatype", ["BYTES", "INT64"])
def test_the_type_of_an_output_says_that_labels_are_all_there_is(datatype):
    facts = metadata([-1, 3, 32, 32], datatype=datatype)

    def answer(asked):
        if asked.method == "GET":
            return facts
        given = asked.content["inputs"][0]
        found = labels(torch.tensor(given["data"]).reshape(given["shape"]))
        data = found.tolist() if datatype == "INT64" else [["a", "b", "c"][place] for place in found.tolist()]
        return {"outputs": [{"name": "score", "datatype": datatype, "shape": [len(data), 1], "data": data}]}

    images = smooth_images(3)
    with ModelServer(answer) as server:
        remote = served(server, "/v2/models/lungs")
        assert remote.access == Access.LABELS
        assert torch.equal(remote.predict(images), DRAWN.predict(images))


@pytest.mark.parametrize("answer", [
    lambda asked: {"labels": [["c"], ["a", "b"], []]},
    lambda asked: {"labels": [[0, 0, 1], [1, 1, 0], [0, 0, 0]]},
])
def test_findings_by_name_or_by_mark(answer):
    with ModelServer(answer) as server:
        found = served(server, answers="labels", card={"task": "multilabel"}).decide(smooth_images(3))
        assert found.tolist() == [[0, 0, 1], [1, 1, 0], [0, 0, 0]]


# Several requests.

def test_batches_are_bounded_and_so_is_what_is_on_its_way_and_order_is_kept():
    def slow(asked):
        images = torch.tensor(asked.content["instances"])
        time.sleep(0.05 * float(images.mean() < 0.5))  # the first ones come back last
        return {"logits": [[float(image.mean()), 0.0, 0.0] for image in images]}

    images = torch.linspace(0, 1, 20).reshape(20, 1, 1, 1).expand(-1, 1, 32, 32)
    with ModelServer(slow) as server:
        remote = served(server, max_batch_size=3, concurrency=4, card={"mean": [0.0], "std": [1.0]})
        torch.testing.assert_close(remote.logits(images)[:, 0], images[:, 0, 0, 0], rtol=1e-5, atol=1e-6)
        assert [len(asked.content["instances"]) for asked in server.posts()].count(3) == 6
        assert len(server.posts()) == 7
        assert 1 < server.most <= 4


def test_a_fixed_number_of_images_is_filled_and_the_filling_is_left_out():
    with ModelServer(open_inference(DRAWN.module, metadata([4, 3, 32, 32]))) as server:
        remote, images = served(server, "/v2/models/lungs"), smooth_images(6)
        torch.testing.assert_close(remote.logits(images), DRAWN.logits(images))
        assert [asked.content["inputs"][0]["shape"][0] for asked in server.posts()] == [4, 4]


def test_many_threads_may_ask_at_once():
    images = smooth_images(6)
    with ModelServer(plain(DRAWN.module)) as server:
        remote = served(server, max_batch_size=2)
        works = [lambda part=part: remote.logits(part) for part in images.split(1)] * 2
        found = at_once(works)
    for made, part in zip(found, [*images.split(1)] * 2, strict=True):
        torch.testing.assert_close(made, DRAWN.logits(part))


def test_a_copy_in_another_process_asks_the_same_server(tmp_path):
    images = smooth_images(2)
    with ModelServer(plain(DRAWN.module)) as server:
        remote = load(write_served(tmp_path / "m.http.json", server.root, CARD))
        remote.logits(images)
        copy = pickle.loads(pickle.dumps(remote))
        assert torch.equal(copy.logits(images), remote.logits(images))
        assert (copy.reference, repr(copy)) == (remote.reference, repr(remote))
        remote.close()
        assert torch.equal(copy.logits(images), remote.logits(images))  # a question after close connects anew


# The file, and an address without one.

def test_a_file_leads_to_it_and_gives_it_a_name(tmp_path):
    card = {key: CARD[key] for key in ("classes", "size")}
    with ModelServer(plain(DRAWN.module)) as server:
        path = write_served(tmp_path / "chest.http.json", server.root, card)
        remote = load(path)
        assert (remote.card.name, remote.reference) == ("chest", str(path.resolve()))
        assert repr(remote) == f"HttpClassifier('chest', {server.root}, scores)"


@pytest.mark.parametrize(("change", "error", "said"), [
    ({"url": "ftp://models.example/x"}, ModelError, "begins with http:// or https:// and a host, got 'ftp://models"),
    ({"url": "file:///etc/passwd"}, ModelError, "begins with http"),
    ({"url": "http://"}, ModelError, "begins with http"),
    ({"url": "http://host:99999/"}, ModelError, "begins with http"),
    ({"url": "http://ann:geheim@models.example/x"}, ModelError, "holds a name or password before its host"),
    ({"url": "http:///ann:geheim@models.example/x"}, ModelError, "holds a name or password before its host"),
    ({"url": "http:ann?geheim"}, ModelError, "begins with http"),
    ({"url": 7}, ModelError, "url"),
    ({"card": None}, ModelError, "has no 'card'"),
    ({"card": {**CARD, "size": 100_000}}, ModelError, "more than 4096"),
    ({"card": {**CARD, "clases": []}}, UnknownNameError, "did you mean 'classes'"),
    ({"card": {**CARD, "sha256": "ab" * 32}}, ModelError, "has a sha256, and nothing behind an address"),
    ({"max_batchsize": 3}, UnknownNameError, "did you mean 'max_batch_size'"),
    ({"concurrency": 0}, ModelError, "concurrency"),
    ({"timeout": float("nan")}, ModelError, "NaN"),
    ({"answers": "both"}, ModelError, "answers"),
])
def test_a_wrong_file_is_one_sentence(tmp_path, change, error, said):
    path = tmp_path / "x.http.json"
    path.write_text(json.dumps({"url": "http://127.0.0.1:9/x", "card": CARD, **change}), encoding="utf-8")
    with pytest.raises(error, match=re.escape(said)) as caught:
        load(path)
    assert "geheim" not in str(caught.value)


def test_an_address_alone_is_answered_with_the_file_to_be_written(tmp_path):
    with ModelServer(open_inference(DRAWN.module, metadata([-1, 3, 32, 32]))) as server:
        with pytest.raises(ModelError, match="says nothing of the model's classes") as caught:
            load(f"{server.root}/v2/models/lungs")
        drafted = str(caught.value).splitlines()[1]
        (tmp_path / "lungs.http.json").write_text(drafted, encoding="utf-8")
        images = smooth_images(3)
        assert torch.equal(load(tmp_path / "lungs.http.json").predict(images), DRAWN.predict(images))
    for address in ("http://127.0.0.1:9/predict", "HTTP://127.0.0.1:9/v2/models/lungs"):
        with pytest.raises(ModelError, match="says nothing of the model's classes"):
            load(address)
    with pytest.raises(ModelError, match="name or password") as caught:
        load("https://ann:geheim@models.example/x")
    assert "geheim" not in str(caught.value)


def test_only_what_is_of_the_web_is_recognised():
    loader = CLASSIFIERS.create("http")
    for foreign in ("file:///etc/passwd", "ftp://host/x", "http.json", "model.json", "oracle://http.json/x", "https"):
        assert not loader.recognises(foreign)
    assert loader.recognises("models/x.http.json")
    assert loader.recognises("https://models.example")


# By what it is known again.

def test_its_fingerprint_is_that_of_the_model_behind_the_address():
    other = tiny_classifier(seed=5)
    facts = metadata([-1, 3, 32, 32])
    with ModelServer(open_inference(DRAWN.module, facts)) as server:
        remote = served(server, "/v2/models/lungs")
        first = remote.fingerprint()
        assert remote.fingerprint() == served(server, "/v2/models/lungs").fingerprint() == first
        server.answer = open_inference(lambda inputs: DRAWN.module(inputs) + 1e-5, facts)
        near = remote.fingerprint()
        server.answer = open_inference(other.module, facts)
        changed = remote.fingerprint()
        server.answer = open_inference(DRAWN.module, {**facts, "versions": ["2"]})
        raised = remote.fingerprint()
        assert len({first, changed, raised}) == 3
        assert near == first
        server.answer = open_inference(DRAWN.module, facts)
        assert served(server, "/v2/models/lungs", card={"notes": "another"}).fingerprint() != first


def test_labels_alone_have_a_fingerprint_that_changes_with_them():
    with ModelServer(lambda asked: {"labels": labels(torch.tensor(asked.content["instances"])).tolist()}) as server:
        remote = served(server, answers="labels")
        first = remote.fingerprint()
        server.answer = lambda asked: {"labels": [0] * len(asked.content["instances"])}
        assert remote.fingerprint() != first


# What is wrong with an answer.

def rows(count, value):
    return lambda asked: {"logits": [value] * count}


@pytest.mark.parametrize(("answer", "said"), [
    (lambda asked: {"logits": [[1.0, float("nan"), 0.0]] * 2}, "not finite numbers for 2 of 2 images"),
    (lambda asked: {"logits": [[1.0, 1e300, 0.0], [0.0, 1.0, 2.0]]}, "not finite numbers for 1 of 2 images"),
    (rows(1, [1.0, 2.0, 3.0]), "gave 1 answers for 2 images, expected a list with one for each"),
    (rows(2, [1.0, 2.0]), "gave (2, 2) for 2 images and 3 classes"),
    (rows(2, [[1.0, 2.0, 3.0]]), "gave (2, 1, 3) for 2 images"),
    (lambda asked: {"logits": [[1.0], [1.0, 2.0]]}, "another number of scores for one image than for another"),
    (rows(2, [None, 1.0, 2.0]), "answers [None, 1.0, 2.0] for an image, expected numbers"),
    (rows(2, "a"), "state answers: labels beside its url"),
    (lambda asked: {"logits": "a"}, "gave a str for 2 images"),
    (lambda asked: {"labels": ["a", "b"]}, "answers with labels, and logits are expected: state answers: labels"),
    (lambda asked: {"probabilities": [[1, 0, 0]] * 2}, "state output: probabilities in its card"),
    (lambda asked: {"result": 1}, "answers with ['result'], expected one of logits, predictions, outputs"),
    (lambda asked: 3, "gave a int for 2 images"),
    (lambda asked: Raw(200, b'{"logits": [[1, 2'), "answers with no JSON but no content type"),
    (lambda asked: Raw(200, b"<html><h1>Sign in</h1>", {"Content-Type": "text/html; charset=utf-8"}),
     "answers with no JSON but text/html (<html><h1>Sign in</h1>): is this the address"),
    (lambda asked: Raw(200, b"[" * 100_000), "answers with no JSON"),
    (lambda asked: Raw(200, b"\xff\xfe"), "answers with no JSON"),
    (lambda asked: Raw(200, b""), "answers with no JSON but no content type (nothing)"),
    (lambda asked: Raw(200, b" " * (17 * 2**20)), "sends an answer longer than 16 MiB"),
    (lambda asked: Raw(400, b'{"error": "expected\n  3 channels"}'), 'answers 400 ({"error": "expected 3 channels"})'),
    (lambda asked: Raw(404, b"x" * 5000), "answers 404 (xxx"),
    (lambda asked: Raw(500, b"Traceback"), "answers 500 (Traceback)"),
    (lambda asked: Raw(401, b"who?"), "answers 401 (who?); set the environment variable RADVERSARY_TOKEN"),
    (lambda asked: Raw(204), "answers 204 (nothing)"),
])
def test_a_wrong_answer_is_one_sentence_that_names_the_model(answer, said):
    with ModelServer(answer) as server, pytest.raises(ModelError, match=re.escape(said)) as caught:
        served(server).logits(smooth_images(2))
    assert str(caught.value).startswith("model 'lungs'")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(("answer", "task", "said"), [
    (["a", "d"], "multiclass", "unknown class in an answer of model 'lungs'"),
    ([0, 3], "multiclass", "decides for classes 0 to 3, its card names 3"),
    ([0, -1], "multiclass", "decides for classes -1 to 0"),
    ([0, 0.7], "multiclass", "answers 0.7 for an image, expected a class's name or index; where it gives scores"),
    ([[0.1, 0.2, 0.7]] * 2, "multiclass", "expected a class's name or index"),
    ([0, 10**30], "multiclass", "not every one is a class's index"),
    ([["a"], ["d"]], "multilabel", "unknown class in an answer"),
    ([[0, 1, 2]] * 2, "multilabel", "decides 0 to 2 for findings"),
    ([[0, 1]] * 2, "multilabel", "or 3 of 0 and 1"),
    (["a", "b"], "multilabel", "expected a list of the findings that are there"),
])
def test_a_wrong_label_is_one_sentence(answer, task, said):
    with ModelServer(lambda asked: {"labels": answer}) as server, pytest.raises(ModelError, match=re.escape(said)):
        served(server, answers="labels", card={"task": task}).decide(smooth_images(2))


def output(**changes):
    return [{"name": "score", "datatype": "FP32", "shape": [2, 3], "data": [0.0, 1.0] * 3, **changes}]


@pytest.mark.parametrize(("outputs", "said"), [
    (output(shape=[2, 2]), "gave 6 values of shape (2, 2) for 2 images"),
    (output(shape=[3, 2]), "gave 6 values of shape (3, 2) for 2 images"),
    (output(shape=[2, 10**12]), "gave 6 values of shape"),
    (output(shape=[2, -3]), "gave 6 values of shape"),
    (output(shape=[]), "gave 6 values of shape ()"),
    (output(shape="2, 3"), "otherwise than the Open Inference Protocol v2"),
    (output(name="other"), "unknown output of model 'lungs'"),
    ([], "answers with no output"),
    ("none", "otherwise than the Open Inference Protocol v2"),
    (output(data=["a"] * 6), "expected numbers"),
])
def test_a_reply_against_the_protocol_is_one_sentence(outputs, said):
    def answer(asked):
        return metadata([-1, 3, 32, 32]) if asked.method == "GET" else {"outputs": outputs}

    with ModelServer(answer) as server, pytest.raises((ModelError, UnknownNameError), match=re.escape(said)):
        served(server, "/v2/models/lungs").logits(smooth_images(2))


def changed(part, **changes):
    facts = metadata([-1, 3, 32, 32])
    return {**facts, part: [{**facts[part][0], **changes}]}


@pytest.mark.parametrize(("facts", "said"), [
    (metadata([-1, 1, 32, 32]), "takes (-1, 1, 32, 32), and its card says 3 channels (the figures of mean) of 32 x 32"),
    (metadata([-1, 3, 64, 64]), "expected (-1, 3, 32, 32)"),
    (metadata([3, 32, 32]), "expected (-1, 3, 32, 32)"),
    (changed("inputs", datatype="UINT8"), "takes UINT8, expected FP32"),
    (changed("outputs", datatype="STRUCT"), "answers in STRUCT, which is neither scores nor labels"),
    ({**metadata([-1, 3, 32, 32]), "outputs": [{"name": name, "datatype": "FP32", "shape": [-1]} for name in "ab"]},
     "has 2 outputs (a, b); name one as output_name beside its url"),
    ({"inputs": [{"name": "x"}]}, "objects with name, datatype and shape"),
    (["x"], "objects with name, datatype and shape"),
])
def test_metadata_that_do_not_fit_the_card_are_refused_before_any_image(facts, said):
    with ModelServer(lambda asked: facts) as server, pytest.raises(ModelError, match=re.escape(said)):
        served(server, "/v2/models/lungs")
    assert not server.posts()


def test_images_of_another_size_are_not_sent():
    with ModelServer(plain(DRAWN.module)) as server:
        with pytest.raises(TensorError, match="reads images of 32 x 32 pixels, got 16 x 16"):
            served(server).logits(smooth_images(1, 16))
        with pytest.raises(TensorError, match=r"must lie in \[0, 1\]"):
            served(server).logits(smooth_images(1) + 1)
        assert not server.posts()


# The probe, and the page.

def test_answers_drawn_at_random_are_refused():
    with ModelServer(lambda asked: {"logits": torch.rand(len(asked.content["instances"]), 3).tolist()}) as server, \
            pytest.raises(ModelError, match="answers an equal call otherwise"):
        check_answers(served(server))


def test_the_server_of_the_page_is_one(tmp_path):
    from test_docs import FENCE

    page = (Path(__file__).parents[2] / "docs" / "classifiers.md").read_text(encoding="utf-8")
    (code,) = [code for language, code in FENCE.findall(page) if "BaseHTTPRequestHandler" in code]
    (text,) = [code for language, code in FENCE.findall(page) if language == "json" and '"url"' in code]
    assert len(code.strip().splitlines()) <= 20
    space: dict[str, object] = {}
    exec(code.replace("ThreadingHTTPServer((\"127.0.0.1\", 8000), Model).serve_forever()", ""), space)
    from http.server import ThreadingHTTPServer
    from threading import Thread

    with ThreadingHTTPServer(("127.0.0.1", 0), space["Model"]) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        path = tmp_path / "bright.http.json"
        path.write_text(text.replace("8000", str(server.server_address[1])), encoding="utf-8")
        remote = load(path)
        check_answers(remote)
        images = torch.tensor([0.2, 0.9]).reshape(2, 1, 1, 1).expand(2, 1, *remote.card.sides)
        torch.testing.assert_close(remote.scores(images), torch.tensor([[0.8, 0.2], [0.1, 0.9]]))
        server.shutdown()


def test_the_card_of_a_file_is_read_like_any_other(tmp_path):
    path = write_served(tmp_path / "x.http.json", "http://127.0.0.1:9/x", {**CARD, "input_range": [0, 255]})
    assert read_served(path).card == ModelCard(**{**CARD, "input_range": (0, 255)})
    assert isinstance(DRAWN, TorchClassifier)
