"""Where a NIfTI volume lies and what its header says: as nibabel reads it, in axes z, y, x."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scans import AFFINES, SPACING, nibabel, write

from vrdask.images.nifti_fields import fields_of
from vrdask.sources import open_source

ITS_OWN = Path(nibabel.__file__).parent / "tests/data"
VOLUMES = ["anatomical.nii", "example4d.nii.gz", "example_nifti2.nii.gz", "functional.nii", "reoriented_anat_moved.nii",
           "resampled_anat_moved.nii", "standard.nii.gz"]  # fmt: skip
DATA = np.random.default_rng(0).integers(-99, 99, (5, 6, 7)).astype("i2")


def whole(array):
    return array[tuple(slice(0, n) for n in array.shape)]


def of_zyx(matrix):
    return np.asarray(matrix)[:3, [2, 1, 0, 3]]


def notes(source):
    return [value for name, value in source.details if name == "note"]


def patched(path, **fields):
    """A file whose header says something else, as nibabel would not write it."""
    data = bytearray(path.read_bytes())
    header = nibabel.Nifti1Header(bytes(data[:348]), check=False)
    for name, value in fields.items():
        header[name] = value
    data[:348] = header.binaryblock
    path.write_bytes(bytes(data))
    return open_source(path)


@pytest.mark.parametrize("name", VOLUMES)
def test_nibabels_own_volumes_lie_where_nibabel_says(name):
    image, source = nibabel.load(ITS_OWN / name), open_source(ITS_OWN / name)
    assert_array_equal(whole(source.array), np.asarray(image.dataobj).T)
    assert source.image.axis_names == ("t", "z", "y", "x")[-image.ndim :]
    assert_allclose(source.image.affine, of_zyx(image.affine), rtol=1e-6, atol=1e-5)
    assert_allclose(source.image.scale, image.header.get_zooms()[::-1], rtol=1e-5)
    assert source.image.path == "0"


@pytest.mark.parametrize("kind", [nibabel.Nifti1Pair, nibabel.Nifti2Pair])
@pytest.mark.parametrize("rest", ["", ".gz"])
def test_pairs_of_header_and_samples(tmp_path, kind, rest):
    image = kind(DATA.T, AFFINES["oblique"])
    image.header.set_slope_inter(0.5, 3)
    nibabel.save(image, tmp_path / f"x.hdr{rest}")
    there = nibabel.load(tmp_path / f"x.img{rest}")
    for name in (f"x.hdr{rest}", f"x.img{rest}"):
        source = open_source(tmp_path / name)
        assert_array_equal(whole(pickle.loads(pickle.dumps(source.array))), np.asarray(there.dataobj).T)
        assert_allclose(source.image.affine, of_zyx(there.affine), rtol=1e-6, atol=1e-5)
    before = source.stamp()
    os.utime(tmp_path / f"x.hdr{rest}", (1, 1))
    assert source.stamp() != before
    (tmp_path / f"x.nii{rest}").write_bytes((tmp_path / f"x.hdr{rest}").read_bytes())
    with pytest.raises(
        ValueError, match=r"a NIfTI source must hold a volume; .* in another file: call the two .hdr and .img"
    ):
        open_source(tmp_path / f"x.nii{rest}")
    (tmp_path / f"x.img{rest}").unlink()
    with pytest.raises(ValueError, match=f"must have both of its files; got .* without x.img{rest} beside it"):
        open_source(tmp_path / f"x.hdr{rest}")


@pytest.mark.parametrize("name", AFFINES)
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("forms", ["both", "sform", "qform"])
def test_every_direction_is_read_from_either_form(tmp_path, name, version, forms):
    path = tmp_path / "x.nii"
    image = nibabel.Nifti1Image(DATA, AFFINES[name]) if version == 1 else nibabel.Nifti2Image(DATA, AFFINES[name])
    image.header.set_sform(AFFINES[name], 0 if forms == "qform" else 1)
    image.header.set_qform(AFFINES[name], 0 if forms == "sform" else 1, strip_shears=True)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    source, expected = open_source(path), nibabel.load(path).affine
    assert_allclose(source.image.affine, of_zyx(expected), rtol=1e-6, atol=1e-5)
    assert bool(notes(source)) == (name == "sheared" and forms == "both")  # of which a qform says only the turn
    if name != "sheared":
        assert source.image.scale == pytest.approx(SPACING[::-1], rel=1e-6)
    if len(name) == 3:
        assert source.image.scale == SPACING[::-1]  # the decimals that were meant


@pytest.mark.parametrize(("unit", "millimetres"), [("mm", 1), ("micron", 1e-3), ("meter", 1e3), ("unknown", 1)])
def test_the_world_is_in_millimetres_and_axes_are_in_the_files_unit(tmp_path, unit, millimetres):
    write(tmp_path / "x.nii", DATA, AFFINES["LAS"], (unit, "msec"))
    source = open_source(tmp_path / "x.nii")
    assert_allclose(source.image.affine, of_zyx(AFFINES["LAS"]) * millimetres, rtol=1e-6)
    assert source.image.scale == SPACING[::-1]
    assert source.image.axes[0].get("unit") == {"mm": "millimeter", "micron": "micrometer", "meter": "meter"}.get(unit)
    assert (("unit", "unknown; positions are taken as millimetres, as nibabel does") in source.details) == (
        unit == "unknown"
    )


def test_sizes_alone_give_what_nibabel_makes_of_them(tmp_path):
    image = write(tmp_path / "x.nii", DATA, None, pixdim=[1, 0.8, 1.1, 3, 1, 1, 1, 1])
    source = open_source(tmp_path / "x.nii")
    assert_allclose(source.image.affine, of_zyx(image.affine), rtol=1e-6)
    assert source.image.scale == SPACING[::-1]
    assert ("affine", "from pixdim") in source.details
    source = patched(tmp_path / "x.nii", pixdim=[1, 0.8, 0, 3, 1, 1, 1, 1])
    assert source.image.affine is None
    assert np.isnan(source.image.scale[1])


def test_what_forms_and_sizes_disagree_in_is_said(tmp_path):
    path = tmp_path / "x.nii"
    write(path, DATA, AFFINES["RAS"])
    assert notes(open_source(path)) == []
    source = patched(path, pixdim=[1, 2, 2, 2, 0, 0, 0, 0])
    assert notes(source) == [
        "sform and pixdim disagree: sform says 0.8 x 1.1 x 3, pixdim 2 x 2 x 2; sform counts",
    ]
    assert source.image.scale == SPACING[::-1]
    source = patched(path, qform_code=1, qoffset_x=0, pixdim=[1, 0.8, 1.1, 3, 0, 0, 0, 0])
    assert notes(source) == ["sform and qform disagree by up to 40.5: sform counts, and qform is not kept"]
    source = patched(path, quatern_b=2, pixdim=[1, 0.8, 1.1, 3, 0, 0, 0, 0])  # no quaternion of length 1
    assert notes(source) == ["sform and qform disagree (it cannot be read): sform counts, and qform is not kept"]
    assert_allclose(source.image.affine, of_zyx(AFFINES["RAS"]), rtol=1e-6)


@pytest.mark.parametrize("row", [[0, 0, 0, 0], [np.nan, 0, 0, 0], [0, 1.1, 0, 5]])
def test_an_affine_that_cannot_be_inverted_is_refused_by_name(tmp_path, row):
    path = tmp_path / "x.nii"
    write(path, DATA, AFFINES["RAS"])
    with pytest.raises(
        ValueError, match=r"the sform of a NIfTI source must be invertible; got .*x\.nii: repair its head"
    ):
        patched(path, srow_x=row)


@pytest.mark.parametrize(
    ("shape", "axes", "read"),
    [
        ((5,), "x", (5,)),
        ((5, 6), "yx", (6, 5)),
        ((5, 6, 1), "zyx", (1, 6, 5)),
        ((5, 6, 7, 3), "tzyx", (3, 7, 6, 5)),
        ((5, 6, 7, 1, 3), "czyx", (3, 7, 6, 5)),
        ((5, 6, 7, 2, 3), "tczyx", (2, 3, 7, 6, 5)),
        ((5, 6, 7, 2, 3, 4), "tvczyx", (2, 4, 3, 7, 6, 5)),
    ],
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_dimensions_become_axes_in_the_order_of_ome_zarr(tmp_path, shape, axes, read, suffix):
    data = np.random.default_rng(0).integers(0, 99, shape).astype("u1")
    image = write(tmp_path / f"x{suffix}", data, AFFINES["LAS"], toffset=4.5, pixdim=[1, 0.8, 1.1, 3, 2.5, 1, 1, 1])
    source = open_source(tmp_path / f"x{suffix}")
    assert source.image.axis_names == tuple(axes)
    assert source.array.shape == read
    stored = np.asarray(image.dataobj).T
    assert_array_equal(whole(source.array), np.moveaxis(stored, -4, 0) if len(read) > 4 else stored.reshape(read))
    box = tuple(slice(0, max(1, n - 1)) for n in read)
    assert_array_equal(source.array[box], whole(source.array)[box])
    if "t" in axes:
        assert (source.image.scale[0], source.image.translation[0]) == (2.5, 4.5)
    columns = [column for column, name in ((2, "z"), (1, "y"), (0, "x")) if name in axes]
    assert_allclose(source.image.affine, image.affine[:3, [*columns, 3]], rtol=1e-6)
    kinds = {"x": "space", "y": "space", "z": "space", "t": "time", "c": "channel", "v": "other"}
    assert [axis["type"] for axis in source.image.axes] == [kinds[name] for name in axes]


def test_what_else_a_header_says_is_kept(tmp_path):
    fields = {"intent_code": 3, "intent_p1": 7, "intent_name": b"t-test", "descrip": b"a scan", "aux_file": b"b.txt"}
    write(tmp_path / "x.nii", DATA, AFFINES["LAS"], **fields, cal_min=1, cal_max=9, sform_code=4, qform_code=1)
    source = open_source(tmp_path / "x.nii")
    assert fields_of(source.layout.attributes) == {
        "sform_code": 4, "qform_code": 1, "intent_code": 3, "intent": [7, 0, 0], "intent_name": "t-test",
        "descrip": "a scan", "aux_file": "b.txt", "cal": [1, 9], "time_unit": "sec",
    }  # fmt: skip
    assert not source.image.is_labels
    write(tmp_path / "labels.nii", DATA, AFFINES["LAS"], intent_code=1002, cal_min=np.nan)
    source = open_source(tmp_path / "labels.nii")
    assert source.image.is_labels
    assert "cal" not in fields_of(source.layout.attributes)
