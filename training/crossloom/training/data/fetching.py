"""Fetches the published files of a data set, checked by their MD5, when somebody asks for it and never otherwise."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crossloom.sim.errors import ConfigError, MissingExtraError

from .cifar import HUNDRED, TEN
from .files import reason, shown
from .places import places

Retrieve = Callable[..., str]
"""As `pooch.retrieve`: of url, known_hash, fname, path and progressbar to the path of the file."""


@dataclass(frozen=True)
class Published:
    """Files below an address with their MD5; `folder` is what they lie in, `members` what an archive is made of."""

    address: str
    folder: str
    files: dict[str, str]
    members: tuple[str, ...] = ()


PUBLISHED = {
    "mnist": Published(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "MNIST/raw",
        {
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
    ),
    "fashion-mnist": Published(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "FashionMNIST/raw",
        {
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
    "cifar10": Published(
        "https://www.cs.toronto.edu/~kriz/",
        TEN,
        {"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
        (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch", "batches.meta"),
    ),
    "cifar100": Published(
        "https://www.cs.toronto.edu/~kriz/",
        HUNDRED,
        {"cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85"},
        ("train", "test", "meta"),
    ),
}


def fetch(name: str, to: str | None = None, retrieve: Retrieve | None = None) -> Path:
    """Fetch a data set into a folder of data sets (None: the first of `places`) and return the folder of its files.

    Files that are there and right are not fetched again; an archive that was put there is unpacked. `retrieve` does the
    fetching, pooch where None. Raises ConfigError (one line) for another name, a wrong checksum, a damaged archive,
    no network or no room; MissingExtraError without pooch.
    """
    if name not in PUBLISHED:
        raise ConfigError(f"data set {name[:60]!r}: not one that is fetched; needed one of {', '.join(PUBLISHED)}")
    known, roots = PUBLISHED[name], places()
    if to is None and not roots:
        raise ConfigError(f"data set {name!r}: no folder to put it in; needed one; name it by --to")
    root = Path(to).expanduser() if to is not None else roots[0]
    target, retrieve = root / known.folder, retrieve or _pooch()
    for file, md5 in known.files.items():
        place = root if known.members else target
        try:
            place.mkdir(parents=True, exist_ok=True)
            got = retrieve(
                url=known.address + file, known_hash=f"md5:{md5}", fname=file, path=str(place), progressbar=False
            )
            if known.members:
                _unpack(Path(got), target, known.members)
        except (OSError, ValueError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError) as error:
            found = f"not fetched ({reason(error)})"
            advice = f"get {known.address}{file} another way and put it in {shown(place)}"
            raise ConfigError(f"{shown(place / file)}: {found}; needed the file with MD5 {md5}; {advice}") from None
    return target


def _pooch() -> Retrieve:
    try:
        import pooch
    except ImportError:
        raise MissingExtraError(
            "fetching: pooch is not installed; needed to fetch data sets; pip install 'crossloom[fetch]'"
        ) from None
    pooch.get_logger().setLevel("WARNING")
    found: Retrieve = pooch.retrieve
    return found


def _unpack(archive: Path, target: Path, members: tuple[str, ...]) -> None:
    """Write the named files of an archive into a folder, each at once, and no others wherever they want to go."""
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        for member in members:
            name = f"{target.name}/{member}"
            try:
                source = tar.extractfile(name)
            except KeyError:
                source = None
            if source is None:
                raise ValueError(f"no file {name} in the archive")
            temporary = target / f".{member}.tmp"
            temporary.write_bytes(source.read())
            temporary.replace(target / member)
