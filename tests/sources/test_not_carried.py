"""What a source says of itself and no result holds is named in one line; where there is nothing, there is none."""

from __future__ import annotations

import io
import json
from xml.etree import ElementTree

import numpy as np
import pytest
import small_files
from image_files import run

import vrdask
from vrdask.api.resample_zarr import prepare
from vrdask.sources import open_source
from vrdask.sources.not_carried import MOST_LETTERS, MOST_NAMES, not_carried
from vrdask.sources.tiff_beside import of_imagej, of_ome_xml

tifffile = pytest.importorskip("tifffile")
VOLUME = np.random.default_rng(0).integers(0, 4000, (4, 30, 40)).astype("u2")


def note(place, **options) -> str:
    """The one note of a source; "" for none."""
    (said,) = [one for one in open_source(place, **options).notes if one.startswith("not carried on")] or [""]
    return said


def needs(package: str):
    return pytest.importorskip(package)


# The line


def test_a_line_names_some_and_counts_the_rest():
    ((name, line),) = not_carried({"the tags": (f"tag {k}" for k in range(MOST_NAMES + 5))})
    assert name == "note"
    assert line.startswith("not carried on, of the tags: tag 0, tag 1, ")
    assert line.endswith(f"tag {MOST_NAMES - 1} and 5 more")
    ((_, line),) = not_carried({"it": ["a\nb\x1b[31mc", "x" * 1000, "", " "]})
    assert line == f"not carried on, of it: a b [31mc, {'x' * (MOST_LETTERS - 2)}.."


MODALITY = "not carried on, of the files: study, series and equipment"
WITH_NOTES = {
    "slide.svs": "not carried on, of the description: AppMag", "series": MODALITY, "frame.dcm": MODALITY,
    "packed.dcm": MODALITY, "enhanced.dcm": MODALITY, "times": MODALITY,
    "slide.dcm": f"{MODALITY}, the slide and its optics", "sparse.dcm": f"{MODALITY}, the slide and its optics",
}  # fmt: skip


@pytest.mark.parametrize("name", small_files.FORMATS)
def test_plain_files_give_no_note(tmp_path, name):
    for package in ("tifffile", "nibabel", "imagecodecs", "SimpleITK", "nrrd", "pydicom", "h5py", "PIL"):
        pytest.importorskip(package)
    small_files.FORMATS[name](tmp_path / name)
    assert note(tmp_path / name) == WITH_NOTES.get(name, "")


# TIFF


OURS = """<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0" Name="cells">%s<Pixels
 ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="40" SizeY="30" SizeC="1" SizeZ="4" SizeT="1" %s><Channel
 ID="Channel:0:0" SamplesPerPixel="1" %s</Channel><TiffData IFD="0" PlaneCount="4"/>%s</Pixels></Image>%s</OME>"""


@pytest.mark.parametrize(
    ("image", "pixels", "channel", "planes", "root", "expected"),
    [
        ("", "", "><LightPath/>", "", "", ""),
        ("", 'SignificantBits="16"', ">", "", '<StructuredAnnotations/>', ""),
        ("", "", ">", "", '<Instrument ID="I:0"><Objective ID="O:0"/></Instrument>', "Instrument"),
        ("<AcquisitionDate>2020-01-01T00:00:00</AcquisitionDate><InstrumentRef ID='I:0'/>", "", ">", "",
         "<Experimenter ID='E:0' LastName='A'/>", "Experimenter, AcquisitionDate"),
        ("<Description>mouse</Description><StageLabel Name='a' X='1'/>", "", ">", "", "<ROI ID='ROI:0'/>",
         "ROI, Description, StageLabel"),
        ("", "", ">", "<Plane TheZ='0' TheC='0' TheT='0'/>", "", ""),
        ("", "", ">", "<Plane TheZ='0' TheC='0' TheT='0' DeltaT='1'/><Plane TheZ='1' TheC='0' TheT='0' DeltaT='2' "
         "PositionX='3' PositionXUnit='mm'/>", "", "Plane (DeltaT, PositionX)"),
        ("", 'SignificantBits="12"', " Name='DAPI' EmissionWavelength='450'><DetectorSettings ID='D'/>", "", "",
         "SignificantBits, Channel (Name, EmissionWavelength, DetectorSettings)"),
        ("", 'PhysicalSizeX="2" PhysicalSizeXUnit="pixel" TimeIncrement="3"', ">", "", "",
         "PhysicalSizeX in pixel, TimeIncrement"),
        ("", "", ">", "", "<StructuredAnnotations><MapAnnotation Namespace='openmicroscopy.org/PyramidResolution' "
         "ID='A:0'/></StructuredAnnotations>", ""),
        ("", "", ">", "", "<StructuredAnnotations><XMLAnnotation ID='A:0'/><MapAnnotation ID='A:1'/>"
         "</StructuredAnnotations>", "StructuredAnnotations (XMLAnnotation, MapAnnotation)"),
    ],
)  # fmt: skip
def test_elements_of_ome_xml_are_named(tmp_path, image, pixels, channel, planes, root, expected):
    xml = OURS % (image, pixels, channel, planes, root)
    ElementTree.fromstring(xml)
    tifffile.imwrite(tmp_path / "x.ome.tif", VOLUME, description=xml, metadata=None, photometric="minisblack")
    assert note(tmp_path / "x.ome.tif") == (f"not carried on, of the OME-XML: {expected}" if expected else "")
    line = f"not carried on, of the OME-XML: {expected}"
    for target in ("out.zarr", "out.ome.tif", "out.nii"):
        assert (line in prepare(tmp_path / "x.ome.tif", tmp_path / target, factor=0.5).notes) == bool(expected)


def test_channels_of_an_image_that_has_some_are_carried_on():
    xml = OURS % ("", "", "Name='DAPI' Color='-1'>", "", "")
    assert list(filter(None, of_ome_xml(xml, 0, "czyx", True))) == []
    assert list(filter(None, of_ome_xml(xml, 0, "zyx", False))) == ["Channel (Name, Color)"]
    assert list(of_ome_xml(xml, 7, "zyx", False)) == []  # there is no such image
    assert list(of_ome_xml("<OME", 0, "zyx", False)) == []


def test_what_we_write_ourselves_gives_no_note(tmp_path):
    colours = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    for name, data, axes in (("a", VOLUME, "zyx"), ("b", VOLUME, "cyx"), ("c", VOLUME, "tyx"), ("d", colours, "yxc")):
        x = needs("xarray").DataArray(data, dims=list(axes), coords={"y": np.arange(data.shape[axes.index("y")]) * 0.5})
        for target in (f"{name}.ome.tif", f"{name}.tif"):
            vrdask.resample_zarr(x, tmp_path / target, factor=0.5)
            assert note(tmp_path / target) == ""
    for target in ("e.ome.tif", "e.tif"):
        vrdask.write_pyramid(colours, tmp_path / target, axes=(0, 1), levels=1)
        assert note(tmp_path / target) == note(tmp_path / target, level=1) == ""


def test_metadata_of_imagej_is_named(tmp_path):
    said = {"axes": "ZYX", "unit": "um", "spacing": 2.0, "finterval": 3, "Info": "a thesis", "min": 0, "max": 9,
            "Labels": ["a", "b", "c", "d"], "Overlays": [b"1"]}  # fmt: skip
    tifffile.imwrite(tmp_path / "x.tif", VOLUME, imagej=True, metadata=said)
    assert note(tmp_path / "x.tif") == "not carried on, of ImageJ's metadata: min, max, Info, Labels, Overlays"
    assert list(filter(None, of_imagej({"unit": "parsec", "spacing": 3, "ROI": b""}))) == ["unit parsec", "spacing"]
    assert list(filter(None, of_imagej({"unit": "pixel", "spacing": 1}))) == []
    assert list(filter(None, of_imagej({"unit": "mm", "finterval": 1, "tunit": "fortnight"}))) == ["tunit fortnight"]


def test_tags_about_more_than_samples_are_named(tmp_path):
    tags = [(33550, 12, 3, (10.0, 10.0, 0.0), True), (33922, 12, 6, (0.0, 0, 0, 5e5, 4e6, 0), True),
            (34735, 3, 4, (1, 1, 0, 0), True), (42113, 2, 6, "-9999", True), (61234, 3, 1, 7, True)]  # fmt: skip
    tifffile.imwrite(tmp_path / "x.tif", VOLUME, extratags=tags, photometric="minisblack")
    assert note(tmp_path / "x.tif") == (
        "not carried on, of the tags: ModelPixelScaleTag, ModelTiepointTag, GeoKeyDirectoryTag, GDAL_NODATA, tag 61234"
    )
    tifffile.imwrite(tmp_path / "y.tif", VOLUME[0], description="a thesis", datetime=True, metadata=None)
    expected = "not carried on, of the description: ImageDescription; of the tags: DateTime"
    assert note(tmp_path / "y.tif") == expected
    tifffile.imwrite(tmp_path / "z.tif", VOLUME, metadata={"axes": "ZYX", "stain": "HE"}, photometric="minisblack")
    assert note(tmp_path / "z.tif") == "not carried on, of the description: stain"
    (tmp_path / "scan").mkdir()
    (tmp_path / "y.tif").rename(tmp_path / "scan" / "y.tif")
    assert note(tmp_path / "scan") == expected  # of slices, the first one's
    assert expected in json.loads(run("info", tmp_path / "scan", "--json"))["details"].values()


def test_pictures_name_what_they_say_of_themselves(tmp_path):
    picture, png = needs("PIL.Image"), needs("PIL.PngImagePlugin")
    said = png.PngInfo()
    said.add_text("Title", "a thesis")
    one = picture.fromarray(VOLUME[0].astype("u1"))
    one.save(tmp_path / "x.png", pnginfo=said, dpi=(300, 300))
    assert note(tmp_path / "x.png") == "not carried on, of the picture: Title, dpi"
    exif = picture.Exif()
    exif[274] = 6
    one.save(tmp_path / "turned.jpg", exif=exif)
    assert note(tmp_path / "turned.jpg") == ""
    one.save(tmp_path / "turned.jpg", dpi=(300, 300))
    assert note(tmp_path / "turned.jpg") == "not carried on, of the picture: dpi"
    exif[271] = "a camera"
    one.save(tmp_path / "x.jpg", exif=exif)
    assert note(tmp_path / "x.jpg") == "not carried on, of the picture: exif"


# Volumes


def test_nrrd_fields_and_keys_are_named(tmp_path):
    nrrd = needs("nrrd")
    place = {"space": "left-posterior-superior", "space origin": [1, 2, 3], "space directions": np.diag([1.0, 2, 3])}
    nrrd.write(str(tmp_path / "x.nrrd"), VOLUME, place | {"DWMRI_b-value": "1000", "content": "head"})
    assert note(tmp_path / "x.nrrd") == "not carried on, of the header: content, DWMRI_b-value"
    nrrd.write(str(tmp_path / "y.nrrd"), VOLUME, place)
    assert note(tmp_path / "y.nrrd") == ""
    nrrd.write(str(tmp_path / "z.nrrd"), VOLUME, place | {"space": "scanner-xyz"})
    assert note(tmp_path / "z.nrrd") == "not carried on, of the header: space, space origin"
    del place["space"]
    turned = {"space dimension": 3, "space origin": np.zeros(3), "space directions": np.eye(3)[[1, 0, 2]]}
    nrrd.write(str(tmp_path / "turned.nrrd"), VOLUME, place | turned)
    assert note(tmp_path / "turned.nrrd") == "not carried on, of the header: space directions"
    plain = turned | {"space directions": np.eye(3)}
    nrrd.write(str(tmp_path / "plain.nrrd"), VOLUME, plain)
    assert note(tmp_path / "plain.nrrd") == ""


def test_metaimage_keys_are_named(tmp_path):
    sitk = needs("SimpleITK")
    image = sitk.GetImageFromArray(VOLUME)
    image.SetOrigin((1, 2, 3))
    sitk.WriteImage(image, tmp_path / "x.mha")
    assert note(tmp_path / "x.mha") == ""
    image.SetMetaData("Patient", "A")
    sitk.WriteImage(image, tmp_path / "x.mha")
    assert note(tmp_path / "x.mha") == "not carried on, of the header: Patient"
    flat = sitk.GetImageFromArray(VOLUME[0])
    sitk.WriteImage(flat, tmp_path / "flat.mha")
    assert note(tmp_path / "flat.mha") == ""
    flat.SetOrigin((4, 5))
    sitk.WriteImage(flat, tmp_path / "flat.mha")
    assert note(tmp_path / "flat.mha") == "not carried on, of the header: Offset"


def test_times_of_nifti_slices_are_named_and_texts_are_kept(tmp_path):
    nibabel = needs("nibabel")
    image = nibabel.Nifti1Image(VOLUME.astype("i2"), np.eye(4))
    image.header["descrip"] = b"a thesis"
    nibabel.save(image, tmp_path / "x.nii")
    assert note(tmp_path / "x.nii") == ""
    nifti = prepare(tmp_path / "x.nii", tmp_path / "out.nii", factor=0.5).notes
    assert not any("descrip" in one for one in nifti)
    (line,) = [one for one in prepare(tmp_path / "x.nii", tmp_path / "out.tif", factor=0.5).notes if "descrip" in one]
    assert line == "a TIFF does not hold what the NIfTI header says: descrip"
    image.header.set_dim_info(0, 1, 2)
    image.header["slice_code"], image.header["slice_duration"] = 1, 0.05
    nibabel.save(image, tmp_path / "x.nii")
    assert note(tmp_path / "x.nii") == "not carried on, of the NIfTI header: slice_code, slice_duration, dim_info"


@pytest.mark.parametrize("suffix", ["mgh", "mgz"])
def test_what_follows_the_samples_of_mgh_is_told(tmp_path, suffix):
    nibabel = needs("nibabel")
    image = nibabel.MGHImage(VOLUME.astype("i2"), np.eye(4))
    nibabel.save(image, tmp_path / f"x.{suffix}")
    assert note(tmp_path / f"x.{suffix}") == ""
    data = io.BytesIO()
    image.header["tr"] = 2300
    image.to_stream(data)
    packed = data.getvalue() + b"\0\0\0\x1e" + bytes(40)
    path = tmp_path / f"y.{suffix}"
    if suffix == "mgz":
        import gzip

        packed = gzip.compress(packed)
    path.write_bytes(packed)
    expected = {"mgh": "tr, tags", "mgz": "what follows the samples"}[suffix]
    assert note(path) == f"not carried on, of the header: {expected}"


# DICOM


def test_dicom_names_the_kinds_of_what_it_says(tmp_path):
    needs("pydicom")
    from dicom_files import series

    said = {"PatientName": "A^B", "PatientID": "", "KVP": 120, "WindowCenter": 40, "RescaleType": "HU",
            "PixelPaddingValue": 0, "ImageComments": "a thesis", "Modality": None}  # fmt: skip
    series(tmp_path / "scan", VOLUME, **said)
    assert note(tmp_path / "scan") == (
        "not carried on, of the files: patient, acquisition, relations to other images, PixelPaddingValue, display, "
        "RescaleType"
    )
    series(tmp_path / "plain", VOLUME, Modality=None, PatientID="")
    assert note(tmp_path / "plain") == ""
    (line,) = prepare(tmp_path / "scan", tmp_path / "out.nii", factor=0.5).notes
    assert line == note(tmp_path / "scan")


def test_overlays_and_private_elements_of_dicom_are_named():
    needs("pydicom")
    from pydicom.data import get_testdata_file

    assert "overlays" in note(get_testdata_file("examples_overlay.dcm", download=False))
    assert "private elements" in note(get_testdata_file("CT_small.dcm", download=False))


# HDF5


def test_attributes_of_hdf5_are_named(tmp_path):
    h5py = needs("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        raw = file.create_dataset("scan/raw", data=VOLUME)
        raw.attrs["element_size_um"] = [2.0, 0.5, 0.5]
        for name in "zyx":
            scale = file.create_dataset(name, data=np.arange(VOLUME.shape["zyx".index(name)]) * 1.0)
            scale.make_scale(name)
            raw.dims["zyx".index(name)].attach_scale(scale)
    assert note(f"{tmp_path}/x.h5::/scan/raw") == ""
    with h5py.File(tmp_path / "x.h5", "a") as file:
        file["scan/raw"].attrs["scale_factor"] = 0.1
        file["scan"].attrs["beamline"] = "ID19"
        file.attrs["title"] = "a thesis"
    expected = "not carried on, of the attributes: scale_factor, beamline, title"
    assert note(f"{tmp_path}/x.h5::/scan/raw") == expected
    with h5py.File(tmp_path / "x.h5") as file:
        assert note(file["scan/raw"]) == expected


def test_what_imaris_says_beyond_its_image_is_named(tmp_path):
    h5py = needs("h5py")
    small_files.imaris(tmp_path / "x.ims", np.stack([VOLUME, VOLUME])[None])
    assert note(tmp_path / "x.ims") == ""
    with h5py.File(tmp_path / "x.ims", "a") as file:
        file.create_group("Scene8/Content")
        file.create_group("DataSetInfo/TimeInfo")
        file["DataSetInfo/Image"].attrs["RecordingDate"] = np.frombuffer(b"2020-01-01", "S1")
        file["DataSetInfo/Image"].attrs["Description"] = np.frombuffer(b" ", "S1")
        file["DataSetInfo/Channel 1"].attrs["LSMEmissionWavelength"] = np.frombuffer(b"450", "S1")
    expected = "not carried on, of the file: TimeInfo, Image's RecordingDate, Channel's LSMEmissionWavelength, Scene8"
    assert note(tmp_path / "x.ims") == expected
    assert note(f"{tmp_path}/x.ims::/DataSet/ResolutionLevel 0/TimePoint 0/Channel 0/Data") == expected
