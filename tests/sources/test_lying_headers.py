"""Files whose headers lie: of sizes, lengths and types that their samples cannot have. They are refused at once, in
little memory, in one line that names the file.
"""

from __future__ import annotations

import gzip
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from refusals import little_memory, refused

import vrdask
from vrdask.sources import inflated, open_source, unpacked

tifffile = pytest.importorskip("tifffile")
nibabel = pytest.importorskip("nibabel")
imagecodecs = pytest.importorskip("imagecodecs")

on_linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="kills a process, as POSIX does")
GREY = np.random.default_rng(0).integers(0, 256, (200, 300), np.uint8)
STACK = np.stack([GREY] * 5)
VOLUME = np.random.default_rng(3).integers(-1000, 1000, (20, 25, 30)).astype(np.int16)
TILES = {"tile": (64, 64), "compression": "zlib", "metadata": None}


@pytest.fixture(autouse=True)
def _little_memory():
    with little_memory():
        yield


# TIFF


def lying(path: Path, tags: dict[str, int], data=GREY, **options) -> Path:
    tifffile.imwrite(path, data, **options)
    with tifffile.TiffFile(path, mode="r+") as file:
        for name, value in tags.items():
            file.pages[0].tags[name].overwrite(value)
    return path


@pytest.mark.parametrize(
    ("tags", "options"),
    [
        ({"ImageWidth": 2**31}, TILES),
        ({"ImageWidth": 2**32 - 1, "ImageLength": 2**32 - 1}, TILES),
        ({"TileWidth": 2**31 - 16, "TileLength": 2**31 - 16}, TILES),
        ({"TileWidth": 2**20, "TileLength": 2**20}, TILES | {"compression": "jpeg"}),
        ({"ImageWidth": 2**31}, TILES | {"compression": "jpeg"}),
        ({"ImageWidth": 2**31}, TILES | {"compression": "zstd"}),
        ({"SamplesPerPixel": 65535}, TILES),
        ({"ImageWidth": 2**31}, {"rowsperstrip": 8, "compression": "lzw", "metadata": None}),
        ({"ImageLength": 2**31, "RowsPerStrip": 2**31}, {"rowsperstrip": 8, "compression": "zlib", "metadata": None}),
        ({"ImageWidth": 2**31}, {"metadata": None}),
        ({"ImageWidth": 2**31}, {"metadata": None, "bigtiff": True, "tile": (64, 64)}),
    ],
)
def test_sizes_that_a_tiff_cannot_have_are_refused_at_once(tmp_path, tags, options):
    start = time.process_time()
    assert "TIFF source must " in refused(lying(tmp_path / "x.tif", tags, **options), tmp_path)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ('SizeZ="5"', 'SizeZ="2000000000"'),
        ('SizeZ="5"', 'SizeZ="-5"'),
        ('SizeZ="5"', 'SizeZ="six"'),
        ('SizeZ="5"', 'SizeZ="9"'),
        ('SizeT="1"', 'SizeT="99999999999999999999"'),
        ('SizeX="300"', 'SizeX="2147483647"'),
        ('PlaneCount="5"', 'PlaneCount="1000000000"'),
        ('IFD="0"', 'IFD="1000000000"'),
    ],
)
def test_ome_xml_that_promises_too_much_is_refused(tmp_path, said, instead):
    path = tmp_path / "x.ome.tif"
    tifffile.imwrite(path, STACK, ome=True, metadata={"axes": "ZYX"}, tile=(64, 64), compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as file:
        assert said in file.ome_metadata
        file.pages[0].tags["ImageDescription"].overwrite(file.ome_metadata.replace(said, instead))
    assert " must " in refused(path, tmp_path)


def with_a_large_one(path: Path, large: bytes, good: bytes, **options) -> Path:
    tiles = iter([large] + [good] * 19)
    tifffile.imwrite(path, tiles, shape=(200, 300, 3), dtype="u1", tile=(64, 64), metadata=None, **options)
    return path


def test_tiles_that_would_be_larger_than_they_may_are_refused(tmp_path):
    tile = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    jpeg = bytearray(imagecodecs.jpeg8_encode(tile))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 60_000, 60_000)
    ycbcr = {"compression": "jpeg", "photometric": "ycbcr", "subsampling": (1, 1)}
    path = with_a_large_one(tmp_path / "a.tif", bytes(jpeg), imagecodecs.jpeg8_encode(tile), **ycbcr)
    assert "must have its size, 64x64; got 60000x60000" in refused(path, tmp_path, "resample")
    good = imagecodecs.jpeg2k_encode(tile, codecformat="j2k")
    large = bytearray(good)
    at = large.index(b"\xff\x51")
    large[at + 6 : at + 14] = large[at + 22 : at + 30] = struct.pack(">II", 50_000, 50_000)
    path = with_a_large_one(tmp_path / "b.tif", bytes(large), good, compression=33005, photometric="rgb")
    assert "must have its size, 64x64; got 50000x50000" in refused(path, tmp_path, "resample")
    bomb = imagecodecs.zlib_encode(bytes(32 << 20), 9)
    good = imagecodecs.zlib_encode(tile.tobytes())
    path = with_a_large_one(tmp_path / "c.tif", bomb, good, compression="zlib", photometric="rgb")
    assert "must have samples that can be decoded; got" in refused(path, tmp_path, "resample")
    tifffile.imwrite(
        tmp_path / "d.tif", iter([bytes(jpeg)] * 4), shape=(256, 64, 3), dtype="u1", rowsperstrip=64, metadata=None,
        **ycbcr,
    )  # fmt: skip
    assert "must have its size, 64x64; got 60000x60000" in refused(tmp_path / "d.tif", tmp_path, "resample")


def test_an_old_style_jpeg_that_nobody_decodes_is_named_at_opening(tmp_path):
    whole = imagecodecs.jpeg8_encode(np.zeros((64, 64, 3), np.uint8))
    path, options = tmp_path / "x.tif", {"compression": "jpeg", "photometric": "ycbcr", "subsampling": (1, 1)}
    for data in (whole, whole[whole.index(b"\xff\xda") + 14 :]):
        tifffile.imwrite(path, iter([data]), shape=(64, 64, 3), dtype="u1", rowsperstrip=64, **options)
        with tifffile.TiffFile(path, mode="r+") as file:
            file.pages[0].tags["Compression"].overwrite(6)
        if data is whole:
            assert open_source(path).array[:2, :2].shape == (2, 2, 3)
    assert "with old-style JPEGs (compression 6) that cannot" in refused(path, tmp_path)


def test_directories_in_a_circle_end(tmp_path):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, STACK[:2], compression="zlib", metadata=None, photometric="minisblack")
    with tifffile.TiffFile(path) as file:
        first, last = file.pages[0].offset, file.pages[1].offset
    data = bytearray(path.read_bytes())
    count = struct.unpack_from("<H", data, last)[0]
    struct.pack_into("<I", data, last + 2 + 12 * count, first)
    path.write_bytes(data)
    assert open_source(path).array.shape[-2:] == GREY.shape


# NIfTI


def patched(path: Path, *changes: tuple[int, bytes], tail: bytes = b"") -> Path:
    """A volume whose header has been changed at some bytes, with more at its end; compressed where the name says so."""
    plain = path.with_name("plain.nii")
    nibabel.save(nibabel.Nifti1Image(VOLUME, np.eye(4)), plain)
    data = bytearray(plain.read_bytes())
    for at, value in changes:
        data[at : at + len(value)] = value
    whole = bytes(data) + tail
    path.write_bytes(gzip.compress(whole, 1) if path.suffix == ".gz" else whole)
    return path


def sizes(*numbers: int) -> tuple[int, bytes]:
    return 40, struct.pack("<4h", *numbers)


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
@pytest.mark.parametrize(
    "change",
    [
        sizes(3, 0, 25, 30), sizes(3, -20, 25, 30), sizes(3, 32767, 32767, 32767), sizes(9, 20, 25, 30),
        sizes(0, 20, 25, 30), (108, struct.pack("<f", 2e9)), (108, struct.pack("<f", -352)),
        (108, struct.pack("<f", float("nan"))), (108, struct.pack("<f", 1e38)), (70, struct.pack("<h", 99)),
        (70, struct.pack("<h", 1536)), (70, struct.pack("<h", 128)), (70, struct.pack("<h", 2304)),
        (344, b"ni1\0"), (344, b"nope"),
    ],
)  # fmt: skip
def test_headers_of_volumes_that_cannot_be_are_refused(tmp_path, name, change):
    assert "NIfTI" in refused(patched(tmp_path / name, change), tmp_path)


def test_slopes_that_say_nothing_are_read_as_nibabel_reads_them(tmp_path):
    for slope, intercept in ((float("nan"), 1), (0, 1), (float("inf"), 1), (2, 1), (2, 0), (1, 0), (1e38, 1)):
        path = patched(tmp_path / "x.nii", (112, struct.pack("<ff", slope, intercept)))
        with np.errstate(all="ignore"):
            expected = np.asarray(nibabel.load(path).dataobj)
        got = open_source(path).array
        assert got.dtype == expected.dtype
        assert_array_equal(got[:, :, :], expected.T)


def test_a_compressed_volume_ends_where_its_header_says(tmp_path, monkeypatch):
    path = patched(tmp_path / "x.nii.gz", tail=bytes(300 << 20))
    assert path.stat().st_size < 2 << 20
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    result = vrdask.resample_zarr(path, tmp_path / "out.zarr", factor=0.5)
    assert_array_equal(result[...], vrdask.resample(VOLUME.T, (15, 13, 10)))
    unpacked = inflated.inflated(str(path), 352 + VOLUME.nbytes, "a NIfTI source")
    assert os.fstat(unpacked.number).st_size == 352 + VOLUME.nbytes


@pytest.mark.parametrize("damage", ["shorter than its header says", "cut", "flipped", "without its checksum"])
def test_a_compressed_volume_that_is_not_whole_is_refused_by_its_own_name(tmp_path, damage):
    path = patched(tmp_path / "x.nii.gz")
    data = bytearray(path.read_bytes())
    if damage == "shorter than its header says":
        patched(path, sizes(3, 20, 25, 31))
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    else:
        path.write_bytes(data[:-8])
    said = refused(path, tmp_path, "resample")
    assert "a NIfTI source must be a whole gzip file; got" in said
    assert "vrdask-" not in said


@on_linux
def test_nothing_is_left_of_a_compressed_volume_when_its_reader_is_killed(tmp_path):
    patched(tmp_path / "x.nii.gz")
    (tmp_path / "tmp").mkdir()
    code = f"""
import os, signal
from vrdask.sources import open_source
open_source({str(tmp_path / "x.nii.gz")!r}).array[:2, :2, :2]
os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(Path(vrdask.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_full_disk_is_told_with_the_name_of_the_volume(tmp_path, monkeypatch):
    path = patched(tmp_path / "x.nii.gz")

    def full(to, piece):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(unpacked, "write", full)
    said = refused(path, tmp_path, "resample")
    assert "No space left on device" in said
    assert "TMPDIR chooses another" in said


def test_surfaces_in_a_niftis_clothes_are_refused(tmp_path):
    from nibabel import cifti2

    brain = cifti2.BrainModelAxis.from_mask(np.ones((2, 2, 2)), affine=np.eye(4), name="other")
    image = cifti2.Cifti2Image(np.zeros((1, 8), "f4"), (cifti2.ScalarAxis(["a"]), brain))
    nibabel.save(image, tmp_path / "x.dscalar.nii")
    assert "a NIfTI source must be a volume; got" in refused(tmp_path / "x.dscalar.nii", tmp_path)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("byte_order", "<>")
@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
def test_headers_with_extensions_are_read_as_nibabel_reads_them(tmp_path, kind, byte_order, name):
    header = kind.header_class(endianness=byte_order)
    header.set_data_dtype("i2")
    image = kind(VOLUME, np.diag([1, 2, 3, 1]), header)
    image.header.set_slope_inter(0.5, 1)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(6, b"more" * 50))
    nibabel.save(image, tmp_path / name)
    expected, source = nibabel.load(tmp_path / name).dataobj, open_source(tmp_path / name)
    assert source.array.stored.offset == expected.offset > 352
    assert source.image.scale == (3, 2, 1)
    assert ("note", "extensions of the NIfTI header are not carried on") in source.details
    assert_array_equal(source.array[:, :, :], np.asarray(expected).T)
