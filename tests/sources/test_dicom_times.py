"""DICOM series with several slices at each position: times, phases, echoes and b-values along an axis t."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from image_files import run
from numpy.testing import assert_allclose, assert_array_equal
from refusals import refused

import vrdask
from vrdask.api.resample_zarr import prepare
from vrdask.sources import open_source

pydicom = pytest.importorskip("pydicom", minversion="3")

from dicom_files import OBLIQUE, ORIGIN, changed, ct, enhanced, in_times, series  # noqa: E402
from pydicom.pixels import pixel_array  # noqa: E402

STORED = np.random.default_rng(1).integers(0, 4096, (3, 5, 12, 14)).astype("u2")
CT = {"RescaleSlope": 2, "RescaleIntercept": -1024, "BitsStored": 12, "HighBit": 11}


def whole(source):
    return source.array[(slice(None),) * source.ndim]


def notes(source):
    return [one for one in source.notes if not one.startswith("not carried on")]


BY = {
    "TemporalPositionIdentifier": [1, 2, 3],
    "TriggerTime": [12.5, 52.5, 92.5],
    "FrameReferenceTime": [0, 5000, 15000],
    "AcquisitionNumber": [4, 7, 8],
    "EchoNumbers": [1, 2, 3],
    "EchoTime": [4.6, 9.2, 13.8],
    "DiffusionBValue": [0.0, 500.0, 1000.0],
}


@pytest.mark.parametrize("keyword", BY)
def test_one_attribute_orders_the_slices_at_a_position(tmp_path, keyword):
    values = BY[keyword]
    paths = in_times(tmp_path / "scan", STORED, [{keyword: one} for one in values], directions=OBLIQUE, **CT)
    source = open_source(tmp_path / "scan")
    assert (source.axes, source.shape) == (("t", "z", "y", "x"), STORED.shape)
    assert_array_equal(whole(source), STORED.astype("i4") * 2 - 1024)
    for t, some in enumerate(paths):
        assert_array_equal(whole(source)[t], [pixel_array(path).astype(int) * 2 - 1024 for path in some])
    assert_array_equal(
        pickle.loads(pickle.dumps(source.array)).chunk((2, 3, 0, 0), np.empty)[0, 0], whole(source)[2, 3]
    )
    assert_array_equal(source.array[1:3, ::2, 3:9, ::-1], whole(source)[1:3, ::2, 3:9, ::-1])
    assert source.array.chunks == (1, 1, 12, 14)
    is_even = keyword == "TriggerTime"
    assert (source.spacing[0], source.units[0]) == ((0.04, "second") if is_even else (1.0, None))
    told = f"3 values of {keyword}: {', '.join(f'{one:g}' for one in values)}"
    assert notes(source) == ([] if is_even else [f"axis t stands for {told}, which are not carried on"])
    assert dict(source.details).get("times") == (told if is_even else None)
    series(tmp_path / "alone", STORED[0], directions=OBLIQUE, **CT)
    alone = open_source(tmp_path / "alone")
    assert_allclose(source.image.affine, alone.image.affine, atol=1e-6)
    assert (source.spacing[1:], source.origin[1:], source.units[1:]) == (alone.spacing, alone.origin, alone.units)


def test_each_time_is_the_volume_that_simpleitk_reads(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    times = [{"TemporalPositionIdentifier": t + 1} for t in range(3)]
    paths = in_times(tmp_path / "scan", STORED, times, directions=OBLIQUE, **CT)
    source = open_source(tmp_path / "scan")
    affine = np.array(source.image.affine)
    for t, some in enumerate(paths):
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(list(map(str, some)))
        image = reader.Execute()
        assert_array_equal(whole(source)[t], sitk.GetArrayFromImage(image))
        for index in ((0, 0, 0), (13, 11, 4), (5, 0, 2)):
            place = image.TransformIndexToPhysicalPoint(index)
            assert_allclose(affine @ [*index[::-1], 1] * (-1, -1, 1), place, atol=1e-4)


def test_runs_leave_times_alone_and_keep_their_spacing(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    in_times(tmp_path / "scan", STORED, [{"TriggerTime": 40 * t} for t in range(3)])
    assert open_source(tmp_path / "scan").layout.chunks == (1, 5, 12, 14)
    result = vrdask.resample_zarr(tmp_path / "scan", tmp_path / "out.zarr", factor=0.5, mode="cubic")
    assert_array_equal(result[:], vrdask.resample(STORED, result.shape[1:], "cubic"))
    made = open_source(tmp_path / "out.zarr")
    assert (made.axes, made.spacing[0], made.units[0]) == (("t", "z", "y", "x"), 0.04, "second")
    run("resample", tmp_path / "scan", tmp_path / "out.nii", "--factor", 1, "--mode", "nearest", "--quiet")
    image = nibabel.load(tmp_path / "out.nii")
    assert_array_equal(np.asarray(image.dataobj).T, STORED)
    assert image.header.get_zooms()[3] == pytest.approx(0.04)
    said = json.loads(run("info", tmp_path / "scan", "--json"))
    assert said["shape"] == [3, 5, 12, 14]
    run("pyramid", f"{tmp_path}/scan", tmp_path / "pyramid.zarr", "--levels", 1, "--quiet")
    assert_array_equal(
        open_source(tmp_path / "pyramid.zarr", level=1).array[:], vrdask.downsample(STORED, (1, 2, 2, 2))
    )
    assert "axis t stands for 3 values of EchoNumbers: 0, 1, 2, which are not carried on" in (
        prepare(_echoes(tmp_path / "echoes"), tmp_path / "e.zarr", factor=0.5).notes
    )


def _echoes(folder):
    in_times(folder, STORED, [{"EchoNumbers": t} for t in range(3)])
    return folder


@pytest.mark.parametrize(
    ("said", "resolution", "seconds"),
    [
        ("TemporalPositionIdentifier", 2500, 2.5),
        ("TemporalPositionIdentifier", None, None),
        ("TemporalPositionIdentifier", 0, None),
        ("AcquisitionNumber", 80, 0.08),
        ("DiffusionBValue", 80, None),
        ("TriggerTime", 40, 0.04),
        ("TriggerTime", 50, None),
    ],
)
def test_the_distance_of_times_is_what_files_say_or_unknown(tmp_path, said, resolution, seconds):
    values = [{said: 40 * t + 7, "TemporalResolution": resolution} for t in range(3)]
    in_times(tmp_path / "scan", STORED, values)
    source = open_source(tmp_path / "scan")
    assert (source.spacing[0], source.units[0]) == ((1.0, None) if seconds is None else (seconds, "second"))


def test_whole_milliseconds_are_rounded(tmp_path):
    data = np.concatenate([STORED, STORED])
    for name, times, seconds in (
        ("rounded", [0, 33, 67, 100, 133, 167], 0.0334),
        ("uneven", [0, 33, 67, 100, 133, 168.5], None),
        ("early", [0, 30, 67, 100, 133, 167], None),
    ):
        in_times(tmp_path / name, data, [{"TriggerTime": one} for one in times])
        source = open_source(tmp_path / name)
        assert (source.spacing[0], source.units[0]) == ((1.0, None) if seconds is None else (seconds, "second"))


def test_times_that_each_position_has_of_its_own(tmp_path):
    in_times(tmp_path / "scan", STORED, lambda t, k: {"TriggerTime": 100 * t + 7 * k, "AcquisitionNumber": 5 * t + k})
    source = open_source(tmp_path / "scan")
    assert_array_equal(whole(source), STORED)
    assert (source.spacing[0], source.units[0]) == (1.0, None)
    in_times(tmp_path / "more", STORED, lambda t, k: {"TriggerTime": 100 * t + 7 * k, "TemporalPositionIndex": 3 - t})
    assert "slices at one position must have one order" in refused(tmp_path / "more", tmp_path)


def test_one_slice_at_many_times(tmp_path):
    in_times(tmp_path / "scan", STORED[:, :1], [{"TriggerTime": 30 * t} for t in range(3)], directions=OBLIQUE)
    source = open_source(tmp_path / "scan")
    assert (source.axes, source.shape, source.spacing[0]) == (("t", "y", "x"), (3, 12, 14), 0.03)
    assert_array_equal(whole(source), STORED[:, 0])
    ct(STORED[0, 0], ORIGIN, OBLIQUE).save_as(tmp_path / "alone.dcm")
    assert_allclose(source.image.affine, open_source(tmp_path / "alone.dcm").image.affine)


@pytest.mark.parametrize(
    ("sequence", "keyword", "values"),
    [
        ("FrameContentSequence", "TemporalPositionIndex", [1, 2, 3]),
        ("MRDiffusionSequence", "DiffusionBValue", [0.0, 50.0, 800.0]),
        ("MREchoSequence", "EffectiveEchoTime", [3.5, 7.0, 10.5]),
        ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime", [0.0, 20.0, 40.0]),
    ],
)
def test_an_enhanced_file_of_several_times(tmp_path, sequence, keyword, values):
    data = STORED.reshape(15, 12, 14)[::-1]
    said = {"slices": 5, "groups_of": lambda k: {sequence: {keyword: values[k // 5]}}}
    enhanced(data, directions=OBLIQUE, **said).save_as(tmp_path / "a.dcm")
    source = open_source(tmp_path / "a.dcm")
    assert (source.axes, source.shape) == (("t", "z", "y", "x"), STORED.shape)
    assert_array_equal(whole(source), STORED)
    assert source.spacing[0] == (0.02 if keyword.startswith("Nominal") else 1.0)


def test_colours_of_several_times(tmp_path):
    data = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 10, 3), np.uint8)
    in_times(tmp_path / "scan", data, [{"AcquisitionNumber": t} for t in range(2)])
    source = open_source(tmp_path / "scan")
    assert source.axes == ("t", "z", "y", "x", "c")
    assert_array_equal(whole(source), data)


# What is refused


def test_what_no_attribute_orders_alone_is_refused_by_the_names_of_those_that_differ(tmp_path):
    data = np.concatenate([STORED, STORED + 1])
    said = [{"EchoNumbers": 1 + t % 2, "TemporalPositionIdentifier": 1 + t // 2} for t in range(6)]
    in_times(tmp_path / "scan", data, said)
    told = refused(tmp_path / "scan", tmp_path)
    assert "slices must lie at different positions; got " in told
    assert "which differ in TemporalPositionIdentifier (1, 2, 3) and EchoNumbers (1, 2): choose the files of " in told
    in_times(tmp_path / "same", STORED[:2], [{}, {}])
    told = refused(tmp_path / "same", tmp_path)
    assert "which differ in none of TemporalPositionIdentifier, " in told
    in_times(tmp_path / "against", STORED[:2], [{"EchoNumbers": t, "AcquisitionNumber": 5 - t} for t in range(2)])
    told = refused(tmp_path / "against", tmp_path)
    assert "slices at one position must have one order; got AcquisitionNumber (4, 5) and EchoNumbers (0, 1)" in told


def test_positions_with_fewer_slices_are_named(tmp_path):
    paths = in_times(tmp_path / "scan", STORED, [{"TemporalPositionIdentifier": t} for t in range(3)])
    data = paths[1][2].read_bytes()
    paths[1][2].unlink()
    told = refused(tmp_path / "scan", tmp_path)
    assert "both at 33 mm along the normal (3 there, 2 at 38 mm along the normal), which differ in Temporal" in told
    paths[1][2].write_bytes(data)
    assert_array_equal(whole(open_source(tmp_path / "scan")), STORED)
    for some in paths:
        some[3].unlink()
    assert "slices must lie at equal distances; got 5 mm from " in refused(tmp_path / "scan", tmp_path)


def test_times_lie_at_one_place(tmp_path):
    paths = in_times(tmp_path / "scan", STORED, [{"TemporalPositionIdentifier": t} for t in range(3)])
    for k, path in enumerate(paths[2]):
        changed(path, ImagePositionPatient=[ORIGIN[0] + 1, ORIGIN[1], ORIGIN[2] + 2.5 * k])
    assert f"slices must lie where those of the first time do; got {paths[2][0]}, 1 mm beside {paths[0][0]}" in refused(
        tmp_path / "scan", tmp_path
    )
