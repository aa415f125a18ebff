"""What a DICOM file says of itself that no result holds, by kind: a header has hundreds of elements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from vrdask.sources.opening import is_damage, package_for, quiet, warnings_ignored

KINDS = {
    0x0008: "study, series and equipment", 0x0010: "patient", 0x0012: "clinical trial", 0x0018: "acquisition",
    0x0020: "relations to other images", 0x0028: "display", 0x0032: "study", 0x0038: "visit",
    0x0040: "procedure", 0x0048: "the slide and its optics", 0x0054: "nuclear medicine", 0x0070: "presentation",
    0x0088: "storage", 0x3004: "dose", 0x3006: "structures",
}  # fmt: skip
"""Of elements, by their group."""
OF_STORAGE = (
    "SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber",
    "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "SliceLocation", "SpacingBetweenSlices",
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "FrameIncrementPointer",
    "Rows", "Columns", "PixelSpacing", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "RescaleIntercept", "RescaleSlope", "LossyImageCompression", "LossyImageCompressionRatio",
    "LossyImageCompressionMethod", "FrameTime", "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
    "TemporalResolution", "GridFrameOffsetVector", "DoseGridScaling", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "DataSetTrailingPadding", "DimensionOrganizationSequence",
    "DimensionIndexSequence", "DimensionOrganizationType", "TotalPixelMatrixColumns", "TotalPixelMatrixRows",
    "NumberOfOpticalPaths", "TotalPixelMatrixFocalPlanes", "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
    "SmallestImagePixelValue", "LargestImagePixelValue",
)  # fmt: skip
"""Elements that are carried on, number the file, or tell how samples are stored and compressed."""
OVERLAYS = range(0x6000, 0x6100)
BY_NAME = {0x00280034: "PixelAspectRatio", 0x00280120: "PixelPaddingValue", 0x00281054: "RescaleType"}
"""Elements that tell what numbers mean."""


def said_beside(path: str, carried: Sequence[str] = ()) -> Iterator[str]:
    """Kinds of what a file says that is not empty, in the order of its groups. carried : what else is carried on."""
    pydicom = package_for(path, "pydicom", "dicom")
    from pydicom.datadict import tag_for_keyword

    known = {int(tag_for_keyword(keyword) or 0) for keyword in (*OF_STORAGE, *carried)}
    with quiet(), warnings_ignored():
        try:
            found: Any = pydicom.dcmread(path, stop_before_pixels=True, defer_size=1 << 16)
        except Exception as error:  # in what nobody has asked for before
            if not is_damage(error):
                raise
            return
    for tag in sorted(found.keys()):
        group, number = tag >> 16, int(tag)
        raw = found.get_item(tag)
        is_empty = raw.length == 0 if raw.is_raw else not raw.value
        if number in known or number & 0xFFFF == 0 or is_empty:
            continue
        if group % 2:
            yield "private elements"
        elif group in OVERLAYS:
            yield "overlays"
        else:
            yield BY_NAME.get(number) or KINDS.get(group, f"group {group:04X}")
