"""The page of an evaluated guard: everything that was found is on it, and nothing of it comes from elsewhere."""

from __future__ import annotations

import re
from html import unescape

import pytest
from guard_evaluation_factory import estimate, guard_evaluation_result, row

from radversary.auditing.cells import Condition
from radversary.auditing.result import Finding, FindingKind
from radversary.core.errors import DataError, InputError
from radversary.core.types import AttackerKnowledge
from radversary.guard_evaluation.families.result import FAMILIES, FamiliesResult, FamilyFigures, FamilyRow
from radversary.guard_evaluation.rows import (
    Promise,
)
from radversary.report.guard.page import (
    render_guard_evaluation,
    tables,
    worst,
    worst_by_strength,
    write_guard_evaluation,
)
from radversary.report.guard.tables import guard_evaluation_markdown


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("evaluation")
    guard_evaluation_result(folder).save(folder / "guard-evaluation.json")
    return write_guard_evaluation(folder).read_text()


def words(page: str) -> str:
    shown = re.sub(r"<style>.*?</style>", " ", page, flags=re.DOTALL)
    return re.sub(r"[\s  ]+", " ", unescape(re.sub(r"<[^>]+>", " ", shown)))


@pytest.mark.slow
def test_the_page_stands_alone(page):
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!data:|#)', re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL))
    assert "default-src 'none'" in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


@pytest.mark.slow
def test_findings_stand_first_on_page_and_in_markdown(tmp_path):
    finding = Finding(kind=FindingKind.ZERO_GRADIENTS, defence="the classifier", value=1.0, threshold=0.01,
                      condition=Condition(attack="stm", strength=8 / 255), sentence="Nothing to <b>follow</b>.")
    found = guard_evaluation_result(tmp_path, findings=(finding,), warnings=())
    page = render_guard_evaluation(found, tmp_path)
    assert "<li>Nothing to &lt;b&gt;follow&lt;/b&gt;.</li>" in page[page.index("Read this first"):]
    assert "**Nothing to <b>follow</b>.**" in guard_evaluation_markdown(found)
    assert "Read this first" not in render_guard_evaluation(guard_evaluation_result(tmp_path, warnings=()), tmp_path)


@pytest.mark.slow
def test_the_headline_names_the_worst_of_each_attacker_and_the_promise(page):
    lead = words(page[:page.index('class="cards"')])
    for attacker, said in (("does not know", "style at opacity 0.1: area under the curve 0.860"),
                           ("knows", "aware-style at opacity 0.1: 25.0 % [20.0, 30.0] changed the prediction")):
        assert f"who {attacker} the detectors, the worst attack here is {said}" in lead
    assert "true-positive rate (TPR) at a false-positive rate (FPR) of 1 % 66.0 % [61.0, 71.0]" in lead
    assert "4.4 % [0.0, 9.4]" in lead
    assert "bound 8.7 %" in lead
    cards = words(page[page.index('class="cards"'):page.index('class="cards"') + 4000])
    assert "25.0 % changed the prediction and raised no alarm" in cards
    assert "the larger of re-encoded 21.0 % and as the attacker made it 25.0 %" in cards


def test_who_knows_and_who_does_not_stand_in_one_table(tmp_path):
    by_opacity, by_epsilon = tables(guard_evaluation_result(tmp_path).rows).values()
    area = by_opacity[0]
    assert [(line.title, line.aware) for line in area.lines] == [("style", False), ("aware-style", True)]
    assert [entry and entry.value for entry in area.lines[1].entries] == [0.72, None]
    assert by_epsilon[0].strengths == ("8/255",)


def test_the_worst_is_by_area_and_of_those_who_know_by_what_slips_through(tmp_path):
    rows = (*guard_evaluation_result(tmp_path).rows,
            row("other", 0.1, 0.7, knowledge=AttackerKnowledge.ADAPTIVE, undetected_success_rate=0.01))
    found = worst(rows)
    assert {knowledge: item.condition.attack for knowledge, item in found.items()} == {
        AttackerKnowledge.OBLIVIOUS: "style", AttackerKnowledge.ADAPTIVE: "aware-style"}
    assert [strength for strength, _ in worst_by_strength(rows)] == ["ε 8/255", "opacity 0.1", "opacity 0.5"]
    assert worst(rows[1:2])[AttackerKnowledge.OBLIVIOUS].condition.strength == 0.5


@pytest.mark.slow
def test_everything_found_is_on_the_page(page):
    text = words(page)
    for said in ("Read this first", "Beware of <b>this</b>.", "jpeg-75", "11.0 %", "none flipped", "0.5 is inside",
                 "✓ inside", "sex: F few", "not promised", "49.5", "13.9 %", "2.0 no alarm",
                 "1000 studies a day of which 1.0 % are attacked", "mean brightness floor", "guard sha256 abc123",
                 "style(s=0.1)",
                 "Missed attack, true class Normal film-7, style at opacity 0.1", "False alarm, true class Pneumonia",
                 "most suspicious: rough (p = 0.1)"):
        assert said in text, said
    assert "<b>this</b>" not in page.replace("&lt;b&gt;this&lt;/b&gt;", "")
    assert page.count("<svg") == 3 + 3 + 1 + 1
    assert page.count("data:image/png") == 3 + 2


@pytest.mark.slow
def test_a_broken_promise_and_a_broken_identity_are_marked(tmp_path):
    promise = Promise(kind="all", name="all", rate=estimate(0.3), every_image=estimate(0.3), bound=0.087)
    text = words(render_guard_evaluation(guard_evaluation_result(tmp_path, promises=(promise,), gallery=(),
                                                                 warnings=(), rows=(),
                                                                 identity=row("identity", 0.0, 0.7, measure="")),
                                                                 tmp_path))
    assert "✗ outside" in text
    assert "0.5 is outside" in text
    assert "Read this first" not in text
    assert "What was missed" not in text


@pytest.mark.slow
def test_pictures_outside_the_folder_are_not_carried_away(tmp_path):
    (tmp_path / "in").mkdir()
    result = guard_evaluation_result(tmp_path, rows=())
    page = render_guard_evaluation(result.model_copy(update={"gallery": tuple(
        item.model_copy(update={"original": "../film.png"}) for item in result.gallery)}), tmp_path / "in")
    assert "data:image/png" not in page
    assert "picture missing" in page


def test_a_folder_without_a_result_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"has no guard-evaluation\.json"):
        write_guard_evaluation(tmp_path)
    (tmp_path / "guard-evaluation.json").write_text("[]")
    with pytest.raises(DataError, match="not a result of an evaluated guard"):
        write_guard_evaluation(tmp_path)


@pytest.mark.parametrize(("field", "name", "sentence"), [
    ("detectors", "[bold red]x[/]", "other detectors"), ("floors", "sharpness", "other floors")])
def test_a_row_of_another_guard_is_refused(tmp_path, field, name, sentence):
    strange = row("style", 0.1, 0.86).model_copy(update={field: {name: estimate(0.7)}})
    with pytest.raises(ValueError, match=sentence):
        guard_evaluation_result(tmp_path, rows=(strange,))


@pytest.mark.parametrize("field", ["harmless", "promises"])
def test_a_result_without_clean_images_is_refused(tmp_path, field):
    with pytest.raises(ValueError, match="clean images are missing"):
        guard_evaluation_result(tmp_path, **{field: ()})


def families_result() -> FamiliesResult:
    def figures(area: float) -> FamilyFigures:
        return FamilyFigures(auroc=estimate(area), tpr_at_fpr_5=estimate(area - 0.3))

    rows = tuple(FamilyRow(family=family, condition=Condition(attack=attack, strength=0.1, measure="opacity"),
                           in_family=figures(0.98), out_of_family=figures(area))
                 for family, attack, area in (("fourier", "swap", 0.71), ("noise", "grain", 0.64)))
    return FamiliesResult(name="night shift", model={"name": "tiny"}, families={"fourier": ("swap",)}, taught_clean=300,
                          taught_attacked={"fourier": 290, "noise": 280}, images=120, patients=90, rows=rows,
                          identity=estimate(0.5), warnings=("Mind the <gap>.",), provenance={})


@pytest.mark.slow
def test_families_left_out_stand_on_the_page_where_they_were_measured(page, tmp_path):
    assert 'id="families"' not in page
    guard_evaluation_result(tmp_path).save(tmp_path / "guard-evaluation.json")
    families_result().save(tmp_path / FAMILIES)
    told = write_guard_evaluation(tmp_path).read_text()
    text = words(told[told.index('id="families"'):])
    for said in ("fourier swap opacity 0.1 0.980 [0.930, 1.000] n = 120 0.710 [0.660, 0.760] n = 120 68.0 %", "41.0 %",
                 "noise grain", "0.640", "300 clean training images and attacked copies (fourier 290, noise 280)",
                 "Mind the <gap>."):
        assert said in text, said
    (tmp_path / FAMILIES).write_text("{}")
    with pytest.raises(DataError, match="not a result of families left out"):
        write_guard_evaluation(tmp_path)
