"""Data sets are fetched where asked for, checked and unpacked; here by stand-ins that no network is needed for."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from cifar_files import write_cifar10

from crossloom.host.cli import main
from crossloom.sim.errors import ConfigError, MissingExtraError
from crossloom.training.config import DataConfig
from crossloom.training.data.fetching import PUBLISHED, fetch
from crossloom.training.data.loading import load_dataset
from crossloom.training.data.registry import NAMED_DATA


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CROSSLOOM_DATA", raising=False)


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    write_cifar10(tmp_path / "made")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(tmp_path / "made" / "cifar-10-batches-py", "cifar-10-batches-py")
        tar.addfile(tarfile.TarInfo("../../outside"), io.BytesIO())
    return packed.getvalue()


def handing(data: bytes, calls: list[dict[str, Any]]) -> Any:
    def retrieve(**asked: Any) -> str:
        calls.append(asked)
        path = Path(asked["path"]) / asked["fname"]
        path.write_bytes(data)
        return str(path)

    return retrieve


def test_an_archive_is_unpacked_where_training_looks_for_it(tmp_path: Path, archive: bytes) -> None:
    calls: list[dict[str, Any]] = []
    folder = fetch("cifar10", retrieve=handing(archive, calls))
    assert folder == tmp_path / "cache" / "crossloom" / "data" / "cifar-10-batches-py"
    assert len(list(folder.iterdir())) == 7 and not (tmp_path / "outside").exists()
    expected = load_dataset(DataConfig(name="cifar10", path=str(tmp_path / "made")))
    assert load_dataset(DataConfig(name="cifar10")).sha256 == expected.sha256
    assert calls[0]["known_hash"] == "md5:c58f30108f718f92721af3b95e74349a"
    assert calls[0]["url"] == "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_file_is_asked_for_with_its_hash_and_lies_where_it_is_found(tmp_path: Path, name: str) -> None:
    calls: list[dict[str, Any]] = []
    if PUBLISHED[name].members:
        with pytest.raises(ConfigError, match="not fetched"):
            fetch(name, str(tmp_path), handing(b"x", calls))
    else:
        assert fetch(name, str(tmp_path), handing(b"x", calls)) == tmp_path / PUBLISHED[name].folder
    assert len(calls) == len(PUBLISHED[name].files)
    assert all(len(call["known_hash"]) == 4 + len(hashlib.md5().hexdigest()) for call in calls)
    assert PUBLISHED[name].folder.split("/")[0] in NAMED_DATA[name].folders


@pytest.mark.parametrize("cut", [0, 50, 2000])
def test_a_cut_archive_is_one_line_that_says_what_to_put_where(tmp_path: Path, archive: bytes, cut: int) -> None:
    with pytest.raises(ConfigError, match=r"cifar-10-python.tar.gz: not fetched .*put it in") as caught:
        fetch("cifar10", str(tmp_path / "to"), handing(archive[:cut], []))
    assert "\n" not in str(caught.value)


def test_a_wrong_checksum_no_network_and_an_archive_of_something_else_are_one_line(tmp_path: Path) -> None:
    def fails(error: Exception) -> Any:
        def retrieve(**_: Any) -> str:
            raise error

        return retrieve

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("readme"), io.BytesIO())
    for retrieve, words in (
        (fails(ValueError("MD5 hash of downloaded file\n(x) does not match")), r"MD5 hash of downloaded file \(x\)"),
        (fails(ConnectionError("no route")), "no route"),
        (handing(packed.getvalue(), []), "no file cifar-10-batches-py/data_batch_1 in the archive"),
    ):
        with pytest.raises(ConfigError, match=words) as caught:
            fetch("cifar10", str(tmp_path), retrieve)
        assert "\n" not in str(caught.value)


def test_the_command_names_what_it_cannot_fetch_and_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'crossloom\[fetch\]'"):
        fetch("cifar10", str(tmp_path))
    assert main(["data", "fetch", "cifar10", "--to", str(tmp_path)]) == 1
    assert "crossloom[fetch]" in capsys.readouterr().err
    assert main(["data", "fetch", "digits"]) == 1
    assert "'digits': not one that is fetched; needed one of mnist" in capsys.readouterr().err
