"""Whatever is changed in a sealed folder is found, and a signature covers all that the manifest says."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from run_folders import sealed, small_run

from radversary.core.errors import DataError, InputError
from radversary.evidence.files import SALT, evidence_files
from radversary.evidence.manifest import read_manifest, signed_bytes, write_manifest
from radversary.evidence.seal import seal
from radversary.evidence.signature import load_key, load_public_key, new_key
from radversary.evidence.verify import SignatureState, verify

COVERED = {"result.json", "predictions.parquet", "report.html", "plan.yaml", "figures/a.svg", "figures/gallery/b.png",
           "models/victim/card.json", "models/victim/model.safetensors", "data/prepared/images.npy"}
PRIVATE = {"models/victim/model.safetensors", "data/prepared/images.npy"}


def no_password() -> str:
    raise AssertionError("no password is needed")


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Two private keys and their public files."""
    folder = tmp_path_factory.mktemp("keys")
    return [(load_key(path, no_password), new) for path in (folder / "a.pem", folder / "b.pem")
            for new in [new_key(path, "")]]


@pytest.fixture(scope="module")
def original(tmp_path_factory, keys):
    """A sealed and signed run; do not write there."""
    return sealed(tmp_path_factory.mktemp("run"), keys[0][0])


@pytest.fixture
def run(original, tmp_path):
    """A copy of it."""
    return shutil.copytree(original, tmp_path / "run")


def changed_manifest(folder, changes):
    path = folder / "evidence.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.slow
def test_a_sealed_folder_is_as_sealed_and_evidence_is_what_the_rule_says(original, keys):
    manifest, found = read_manifest(original), verify(original, load_public_key(keys[0][1]))
    assert {file.path for file in manifest.files} == COVERED == set(evidence_files(original))
    assert {file.path for file in manifest.files if file.may_be_absent} == PRIVATE
    for file in manifest.files:
        content = (original / file.path).read_bytes()
        assert (file.sha256, file.size) == (sha256(content).hexdigest(), len(content))
    assert [(model.name, model.sha256) for model in manifest.models] == [("victim", "ab" * 32)]
    assert manifest.test_set_sha256 == "9b" * 32
    assert found.intact
    assert found.signature == SignatureState.VALID
    assert found.verified == len(COVERED)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(COVERED))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(place=st.integers(0, 10**9), mask=st.integers(1, 255))
def test_any_changed_byte_is_found(run, name, place, mask):
    path = run / name
    content = path.read_bytes()
    other = bytearray(content)
    other[place % len(content)] ^= mask
    path.write_bytes(other)
    found = verify(run)
    path.write_bytes(content)
    assert not found.intact
    assert (found.changed, found.missing, found.added) == ((name,), (), ())
    assert verify(run).intact


@pytest.mark.parametrize("name", sorted(COVERED))
def test_a_removed_renamed_and_lengthened_file_is_found(run, name):
    path = run / name
    content = path.read_bytes()
    path.write_bytes(content + b"\n")
    assert verify(run).changed == (name,)
    path.write_bytes(content)
    path.rename(path.with_name("other.bin"))
    found, moved = verify(run), str((path.parent / "other.bin").relative_to(run))
    assert not found.intact
    assert found.added == (moved,)
    (run / moved).unlink()
    found = verify(run)
    assert (name in found.missing) == (name not in PRIVATE) == (not found.intact)
    assert (name in found.not_given) == (name in PRIVATE)


@pytest.mark.parametrize("name", ["sbom.json", "figures/c.svg", "data/more.csv", "models/other/card.json",
                                  ".hidden.html", "figures/.report.aaaaaaaa.html", ".folder/x.html", ".lock/x.html",
                                  "figures/units/x.html", "figures/units", "figures/__pycache__/x.html",
                                  "figures/.pseudonyms.salt", "x.pyc", "figures/evidence.json"])
def test_an_added_file_is_found_and_a_cache_or_lock_is_none(run, name):
    (run / "units" / "more.parquet").write_bytes(b"x")
    (run / "data" / ".lock").write_bytes(b"2")
    (run / "models" / "__pycache__").mkdir()
    (run / "models" / "__pycache__" / "net.pyc").write_bytes(b"x")
    (run / SALT).write_bytes(b"x")
    found = verify(run)
    assert (found.intact, found.passed_over) == (True, 5)
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).write_bytes(b"{}")
    assert verify(run).added == (name,)


@pytest.mark.parametrize("name", ["units", "models/.lock", ".pseudonyms.salt"])
def test_a_link_in_place_of_what_is_passed_over_is_found(run, name):
    (run / "units").rename(run.parent / "work")
    (run / name).symlink_to(run.parent / "work")
    assert verify(run).added == (name,)


def test_a_plain_file_with_the_name_of_a_cache_is_found(run):
    (run / "units").rename(run.parent / "work")
    (run / "units").write_bytes(b"<p>")
    assert verify(run).added == ("units",)


def test_a_link_in_place_of_a_file_is_a_change_and_is_not_sealed(run):
    target = run.parent / "target"
    (run / "report.html").rename(target)
    (run / "report.html").symlink_to(target)
    assert verify(run).changed == ("report.html",)
    with pytest.raises(InputError, match="is a link"):
        seal(run)
    (run / "report.html").unlink()
    (run / "figures" / "away").symlink_to(run.parent)
    assert verify(run).added == ("figures/away",)


@pytest.mark.parametrize("changes", [
    {"sealed": "2020-01-01T00:00:00Z"}, {"run": "another"}, {"version": "9.9"}, {"test_set_sha256": "00"},
    {"pseudonymised": True}, {"models": []}, {"files": []}])
def test_whatever_a_signed_manifest_says_cannot_be_changed(run, changes):
    changed_manifest(run, changes)
    found = verify(run)
    assert found.signature == SignatureState.INVALID
    assert not found.intact


@pytest.mark.slow
def test_the_signature_of_another_manifest_or_signer_does_not_hold(run, keys):
    first, public = read_manifest(run), load_public_key(keys[0][1])
    seal(run, keys[0][0], at=datetime(2020, 1, 1, tzinfo=UTC))
    write_manifest(run, read_manifest(run).model_copy(update={"signature": first.signature}))
    assert verify(run).signature == SignatureState.INVALID
    other = seal(run, keys[1][0])
    assert verify(run).intact
    assert verify(run, public).signature == SignatureState.OTHER_SIGNER
    assert not verify(run, public).intact
    write_manifest(run, other.model_copy(update={"signer": first.signer}))
    assert verify(run, public).signature == SignatureState.INVALID
    forged = other.signer.model_copy(update={"fingerprint": first.signer.fingerprint})
    write_manifest(run, other.model_copy(update={"signer": forged}))
    assert verify(run, public).signature == SignatureState.INVALID
    write_manifest(run, other.model_copy(update={"signer": None, "signature": None}))
    assert not verify(run, public).intact
    assert verify(run).signature == SignatureState.UNSIGNED


def test_a_fingerprint_of_another_key_is_invalid_although_the_bytes_are_signed(run, keys):
    key, manifest = keys[1][0], read_manifest(run)
    forged = key.signer.model_copy(update={"fingerprint": keys[0][0].signer.fingerprint})
    unsigned = manifest.model_copy(update={"signer": forged})
    signature = key.sign(signed_bytes(unsigned.model_dump(mode="json")))
    write_manifest(run, unsigned.model_copy(update={"signature": signature}))
    assert verify(run, load_public_key(keys[0][1])).signature == SignatureState.INVALID


def test_the_signature_holds_by_another_program_over_bytes_made_as_the_page_says(original, keys, tmp_path):
    content = json.loads((original / "evidence.json").read_bytes())
    signature = base64.b64decode(content.pop("signature"))
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert text == signed_bytes(json.loads((original / "evidence.json").read_bytes()))
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    load_pem_public_key(keys[0][1].read_bytes()).verify(signature, text)
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    (tmp_path / "signed").write_bytes(text)
    (tmp_path / "signature").write_bytes(signature)
    said = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", keys[0][1], "-rawin", "-in",
                           tmp_path / "signed", "-sigfile", tmp_path / "signature"], capture_output=True, check=False)
    assert b"Verified Successfully" in said.stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-in", keys[0][1], "-outform", "DER"], capture_output=True,
                         check=True).stdout
    assert sha256(der).hexdigest() == content["signer"]["fingerprint"]


def test_a_key_of_openssl_signs_and_an_encrypted_one_needs_its_password(run, tmp_path):
    path = tmp_path / "locked.pem"
    new_key(path, "pass word é")
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED" in path.read_bytes()
    seal(run, load_key(path, lambda: "pass word é"))
    assert verify(run).intact
    with pytest.raises(InputError, match="the password is wrong"):
        load_key(path, lambda: "other")
    if shutil.which("openssl"):
        theirs = tmp_path / "openssl.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", theirs], check=True)
        seal(run, load_key(theirs, no_password))
        assert verify(run).signature == SignatureState.UNKNOWN_SIGNER
        rsa = tmp_path / "rsa.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "x25519", "-out", rsa], check=True)
        with pytest.raises(InputError, match="key of another kind"):
            load_key(rsa, no_password)


def test_a_key_is_never_overwritten_and_a_private_key_is_no_public_one(tmp_path):
    path = tmp_path / "k.pem"
    public = new_key(path, "")
    before = path.read_bytes()
    with pytest.raises(InputError, match="never overwritten"):
        new_key(path, "")
    assert path.read_bytes() == before
    with pytest.raises(InputError, match="is a private key"):
        load_public_key(path)
    with pytest.raises(InputError, match="no private key in PEM"):
        load_key(public, no_password)


@pytest.mark.parametrize("changes", [{"schema_version": 2}, {"files": 3}, {"signature": "?"}, {"signer": None},
                                     {"more": 1}, {"sealed": "yesterday"}])
def test_a_damaged_manifest_is_refused(run, changes):
    changed_manifest(run, changes)
    with pytest.raises(DataError, match="is not a manifest of evidence, or is damaged"):
        verify(run)


@pytest.mark.slow
def test_a_run_whose_table_was_changed_is_not_sealed(tmp_path):
    run = small_run(tmp_path)
    (run / "predictions.parquet").write_bytes(b"other")
    with pytest.raises(DataError, match="was changed after the result"):
        seal(run)
    assert not (run / "evidence.json").exists()


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.text(alphabet=st.characters(max_codepoint=0x7f, min_codepoint=0x20), max_size=6),
                       st.text(max_size=8) | st.integers(-2**53, 2**53) | st.none() | st.booleans()
                       | st.lists(st.text(max_size=4), max_size=3), max_size=5))
def test_signed_bytes_are_canonical_for_what_a_manifest_holds(content):
    content.pop("signature", None)
    text = signed_bytes({**content, "signature": "x"})
    assert json.loads(text) == content
    assert text == signed_bytes(dict(reversed(content.items())))
    assert list(json.loads(text)) == sorted(content)
