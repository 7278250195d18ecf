"""Files at addresses: read as local ones are, by one name or by a pattern; what cannot be read is a sentence."""

import gzip
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import fsspec
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from tests.support.forms import opus, source_of
from tests.support.pairs import Pair, read
from tests.support.processes import wait_until
from weam_ray.corpus.readers import source_files
from weam_ray.errors import UserError
from weam_ray.store.files import SourceHashes
from weam_ray.store.remote import RemoteFile, matching


@pytest.fixture(params=["memory", pytest.param("s3", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An address at which files may be put, with `*` for their names."""
    if request.param == "s3":
        return request.getfixturevalue("bucket")
    return f"memory://{tmp_path.name}/deep/*"


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of a local server that speaks S3."""
    program = Path(sys.executable).with_name("moto_server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = subprocess.Popen([program, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(port), seconds=60)
        options = f"scheme=http&endpoint_override=127.0.0.1:{port}&region=us-east-1"
        filesystem, _ = pafs.FileSystem.from_uri(f"s3://texts/x?{options}&allow_bucket_creation=true")
        filesystem.create_dir("texts")
        yield f"s3://texts/deep/*?{options}"
    finally:
        server.terminate()
        server.wait()


def answers(port: int) -> bool:
    """Whether a server listens on a port of this machine."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def put(place: str, name: str, data: bytes) -> str:
    """Write a file; its address."""
    address = place.replace("*", name)
    if address.startswith("s3://"):  # in one request, as the server knows no uploads in parts that Arrow makes
        host = re.findall("endpoint_override=([^&]*)", address)[0]
        url = f"http://{host}/{address.partition('?')[0].removeprefix('s3://')}"
        signed = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
        head = {"Content-Type": "application/octet-stream", "Authorization": signed}
        urllib.request.urlopen(urllib.request.Request(url, data, head, method="PUT")).close()
        return address
    with fsspec.open(address, "wb") as stream:
        stream.write(data)
    return address


def test_a_file(place: str) -> None:
    file = RemoteFile(put(place, "text.en.gz", b"some bytes"))
    assert (file.is_file(), file.suffix, file.stat().st_size) == (True, ".gz", 10)
    with file.open("rb") as stream:
        assert stream.peek(4)[:4] == b"some"
        assert (stream.read(), stream.seek(5), stream.read1(3)) == (b"some bytes", 5, b"byt")
    other = RemoteFile(place.replace("*", "no.en"))
    assert not other.is_file()
    for look in (other.stat, other.open):
        with pytest.raises(UserError) as caught:
            look()
        assert other.address in str(caught.value)


def test_a_pattern(place: str) -> None:
    for name in ("b1.txt", "b2.txt", "c.txt", "more/b3.txt"):
        put(place, name, b"x")
    found = [file.address for file in matching(place.replace("*", "b*.txt"))]
    assert found == [place.replace("*", "b1.txt"), place.replace("*", "b2.txt")]
    assert [file.address for file in matching(place.replace("*", "*/b[2-4].txt"))] == [
        place.replace("*", "more/b3.txt")
    ]
    assert matching(place.replace("*", "nothing/x*")) == []


def test_sources(place: str, tmp_path: Path) -> None:
    """Line files that are packed, several by a pattern, Parquet, and archives."""
    expected = [Pair("1", "a", "b"), Pair("2", "c", "d")]
    sides = [
        put(place, f"text.{code}.gz", gzip.compress(text)) for code, text in (("en", b"a\nc\n"), ("de", b"b\nd\n"))
    ]
    assert read(source_of("moses", source=sides[0], target=sides[1])) == expected
    for number, line in enumerate((b"a\tb\n", b"c\td\n")):
        put(place, f"part-{number}.tsv", line)
    several = read(source_of("tsv", path=place.replace("*", "part-*.tsv")))
    assert [pair[1:] for pair in several] == [pair[1:] for pair in expected]
    pq.write_table(pa.table({"source": ["a", "c"], "target": ["b", "d"]}), tmp_path / "text.parquet")
    table = put(place, "text.parquet", (tmp_path / "text.parquet").read_bytes())
    assert read(source_of("parquet", path=table)) == expected
    archive = put(place, "a.zip", Path(opus(tmp_path, [("a", "b"), ("c", "d")]).path).read_bytes())
    assert read(source_of("opus", path=archive)) == expected
    files = source_files(source_of("moses", source=sides[0], target=sides[1]))
    assert files == [RemoteFile(side) for side in sides]


def test_what_is_missing_or_damaged(place: str) -> None:
    address = place.replace("*", "no.tsv")
    with pytest.raises(UserError) as caught:
        read(source_of("tsv", path=address))
    assert str(caught.value) == f"corpus.sources.path: there is no file {address!r}."
    cut = put(place, "text.tsv.gz", gzip.compress(b"".join(b"a\tb%d\n" % number for number in range(9_000)))[:-99])
    with pytest.raises(UserError) as caught:
        read(source_of("tsv", path=cut))
    assert str(caught.value).startswith(f"{cut}, after line ")


def test_hashes(place: str, tmp_path: Path) -> None:
    address = put(place, "text", b"some bytes")
    (tmp_path / "text").write_bytes(b"some bytes")
    hashes = SourceHashes(tmp_path / "hashes.json")
    assert hashes.sha256(RemoteFile(address)) == hashes.sha256(tmp_path / "text")
    hashes.save()
    put(place, "text", b"other bytes")  # of another size, as times of change may be whole seconds
    assert SourceHashes(tmp_path / "hashes.json").sha256(RemoteFile(address)) != hashes.sha256(tmp_path / "text")


@pytest.mark.slow
def test_hashes_are_remembered_by_the_time_of_change(bucket: str, tmp_path: Path) -> None:
    file = RemoteFile(put(bucket, "text", b"some bytes"))
    hashes = SourceHashes(tmp_path / "hashes.json")
    first = hashes.sha256(file)
    with patch.object(RemoteFile, "open", side_effect=AssertionError):
        assert hashes.sha256(file) == first


@pytest.mark.parametrize("address", ["nowhere://x/y", "s3://", "abfs://x@y/z", "zip://a::b"])
def test_addresses_that_cannot_be_read(address: str) -> None:
    with pytest.raises(UserError) as caught:
        read(source_of("tsv", path=address))
    assert address in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_place_that_fails_while_it_is_read(tmp_path: Path) -> None:
    """An error of the place is a sentence with the line that was reached."""
    address = put(f"memory://{tmp_path.name}/*", "text.tsv", b"a\tb\n" * 2_000_000)
    filesystem = fsspec.filesystem("memory")
    opened = filesystem.open

    def failing(*arguments: object, **more: object) -> object:
        stream = opened(*arguments, **more)
        read_all, given = stream.read, 0

        def read_some(size: int = -1) -> bytes:
            nonlocal given
            given += 1
            if given > 1:
                raise OSError("the connection is lost")
            return read_all(size)

        stream.read = read_some
        return stream

    fails = patch.object(type(filesystem), "open", lambda self, *rest, **more: failing(*rest, **more))
    with fails, pytest.raises(UserError) as caught:
        read(source_of("tsv", path=address))
    assert address in str(caught.value)
    assert "cannot be read (" in str(caught.value)
