"""What a DICOM file says of itself that no result holds, by kind: a header has hundreds of elements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vrdask.sources.dicom_times import ORDERS
from vrdask.sources.opening import is_damage, package_for, quiet, warnings_ignored

KINDS = {
    0x0008: "study, series and equipment", 0x0010: "patient", 0x0012: "clinical trial", 0x0018: "acquisition",
    0x0020: "relations to other images", 0x0028: "display", 0x0032: "study", 0x0038: "visit",
    0x0040: "procedure", 0x0054: "nuclear medicine", 0x0070: "presentation", 0x0088: "storage", 0x3004: "dose",
    0x3006: "structures",
}  # fmt: skip
"""Of elements, by their group."""
OF_STORAGE = {
    *(0x00080005, 0x00080008, 0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00200010),
    *(0x00200011, 0x00200013, 0x00200032, 0x00200037, 0x00201041, 0x00180050, 0x00180088, 0x00280002, 0x00280004),
    *(0x00280006, 0x00280008, 0x00280009, 0x00280010, 0x00280011, 0x00280030, 0x00280034, 0x00280100, 0x00280101),
    *(0x00280102, 0x00280103, 0x00281052, 0x00281053, 0x00282110, 0x00282112, 0x00282114, 0x00181063),
    *(0x00281101, 0x00281102, 0x00281103, 0x00281201, 0x00281202, 0x00281203, 0x00080000, 0x00200110, 0x3004000C),
    *(0x3004000E, 0x30040002, 0x30040004, 0x52009229, 0x52009230, 0xFFFCFFFC, 0x00280106, 0x00280107),
}  # fmt: skip
"""Elements that are carried on, number the file, or tell how samples are stored and compressed."""
OVERLAYS = range(0x6000, 0x6100)
BY_NAME = {0x00280120: "PixelPaddingValue", 0x00281054: "RescaleType"}
"""Elements that tell what numbers mean."""


def said_beside(path: str) -> Iterator[str]:
    """Kinds of what a file says that is not empty, in the order of its groups."""
    pydicom = package_for(path, "pydicom", "dicom")
    from pydicom.datadict import tag_for_keyword

    known = OF_STORAGE | {int(tag_for_keyword(keyword) or 0) for keyword in ORDERS}
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
