"""The container of an artifact: whole, stored as it is, of known entries, from a file that can be read."""

import io
import zipfile

import numpy as np
import pytest
from containers import WHOLE, refused, replaced, seal, unzipped, zipped
from handmade import made

from crossloom.sim import ArtifactError, load, save
from crossloom.sim import loom as module
from crossloom.sim.loom import from_bytes, to_bytes


def test_a_truncated_artifact_is_refused(tmp_path):
    data = to_bytes(made("flat"))
    for length in [*range(0, 200), *range(200, len(data), 97), len(data) - 1]:
        with pytest.raises(ArtifactError, match=WHOLE):
            from_bytes(data[:length])
    refused(data[:-1], WHOLE, tmp_path)


def test_every_flipped_bit_is_noticed():
    data = to_bytes(made("flat"))
    rng = np.random.default_rng(0)
    for place in rng.integers(0, 8 * len(data), 2000):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << (place % 8)
        with pytest.raises(ArtifactError, match=WHOLE):
            from_bytes(bytes(flipped))


def test_a_rezipped_artifact_is_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, raw in unzipped(to_bytes(made("flat"))).items():
            archive.writestr(entry, raw)
        archive.comment = b"x" * 64
    refused(buffer.getvalue(), WHOLE, tmp_path)
    refused(seal(buffer.getvalue()), "compressed", tmp_path)


def test_an_entry_said_to_be_compressed_is_refused_though_its_sizes_agree(tmp_path):
    data = bytearray(to_bytes(made("flat")))
    data[8] = zipfile.ZIP_DEFLATED
    refused(seal(bytes(data)), "is compressed; artifacts store entries as they are", tmp_path)


def test_appended_and_hidden_bytes_are_refused(tmp_path):
    data = to_bytes(made("flat"))
    refused(data + b"x", WHOLE, tmp_path)
    refused(seal(data[:-64] + b"hidden" + data[-64:]), "not in the one form", tmp_path)
    middle = data.index(b"PK\x01\x02")
    refused(seal(data[:middle] + b"hidden" + data[middle:]), "not in the one form", tmp_path)


def test_a_duplicate_entry_is_refused(tmp_path):
    data = to_bytes(made("flat"))
    second = data.index(b"PK\x03\x04", 4)
    refused(seal(data[:second] + data), "stands twice", tmp_path)


@pytest.mark.parametrize(
    "entry", ["../evil.npy", "/etc/passwd", "tensors/../x.npy", "extra.json", "tensors/X.npy", "golden/a/b.npy"]
)
def test_an_entry_of_another_name_is_refused(entry, tmp_path):
    refused(replaced("flat", **{entry: b"x"}), "has no place in an artifact", tmp_path)


def test_a_claimed_size_beyond_the_file_is_refused(tmp_path):
    data = bytearray(to_bytes(made("flat")))
    data[18:26] = 2 * (0xFFFFFFF0).to_bytes(4, "little")
    refused(seal(bytes(data)), "claims 4294967280 bytes", tmp_path)


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 1000)
    refused(b"x" * 1001, "over 1000 bytes", tmp_path)
    with pytest.raises(ArtifactError, match="at most 1,000"):
        to_bytes(made("flat"))


@pytest.mark.parametrize("name", ["network.json", "info.json"])
def test_an_artifact_without_its_core_entries_is_refused(name, tmp_path):
    entries = unzipped(to_bytes(made("flat")))
    del entries[name]
    refused(zipped(entries), f"entry {name} is missing", tmp_path)


def test_more_entries_and_larger_json_than_the_limits_are_refused(tmp_path, monkeypatch):
    data = to_bytes(made("flat"))
    monkeypatch.setattr(module, "MAX_ENTRIES", 3)
    refused(data, "more than 3 entries", tmp_path)
    monkeypatch.setattr(module, "MAX_ENTRIES", 100)
    monkeypatch.setattr(module, "MAX_JSON_BYTES", 20)
    refused(data, "'golden/index.json' claims", tmp_path)


def test_a_path_that_no_file_can_have_is_refused_in_one_line(tmp_path):
    for path in (f"{tmp_path}/a\0b.loom", tmp_path / "no\nsuch" / "x.loom", tmp_path / "\udcff" / "x.loom"):
        for call in (lambda path=path: load(path), lambda path=path: save(made("flat"), path)):
            with pytest.raises(ArtifactError, match=r"(a\\x00b|no\\nsuch/x|\\udcff/x)\.loom: cannot be") as caught:
                call()
            assert str(caught.value).isprintable()


def test_a_bad_file_of_an_odd_name_is_refused_in_one_line(tmp_path):
    path = tmp_path / "a\nb.loom"
    path.write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"a\\nb\.loom: not a whole \.loom file") as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    for path in (tmp_path / "absent.loom", tmp_path):
        with pytest.raises(ArtifactError, match=f"{path.name}: cannot be read"):
            load(path)
