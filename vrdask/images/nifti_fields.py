"""What a NIfTI header says beside its samples and their place: kept in the attribute "vrdask", and written again.

    "vrdask": {"nifti": {"sform_code": 1, "qform_code": 1, "intent_code": 1002, "descrip": "..", "cal": [0, 255], ..}}

The fields have the header's names, but for `intent` (its three parameters), `cal` (what to show as black and white),
`time_unit` (of no axis of time, or of what is none, such as hz) and `slice` (the columns of the affine that a plane or
a line leaves out).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vrdask.images.axes import ATTRIBUTE

KEY = "nifti"
OF_PLACE = ("sform_code", "qform_code", "slice")
"""Fields about the grid, rather than the samples."""
OWN = b'{"vrdask": {"made":'
"""How the extension begins in which a run says how it has made a file."""
LABELS = 1002
"""The intent_code of a volume of labels."""


def fields_of(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that an array's attributes hold."""
    said = attributes.get(ATTRIBUTE)
    fields = said.get(KEY) if isinstance(said, Mapping) else None
    return dict(fields) if isinstance(fields, Mapping) else {}


def with_fields(attributes: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """An array's attributes with these fields in place of those that it has."""
    said = attributes.get(ATTRIBUTE)
    rest = {name: value for name, value in said.items() if name != KEY} if isinstance(said, Mapping) else {}
    rest |= {KEY: dict(fields)} if fields else {}
    return {name: value for name, value in attributes.items() if name != ATTRIBUTE} | (
        {ATTRIBUTE: rest} if rest else {}
    )


def on_grid_of(attributes: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of an array that is brought onto the grid of another."""
    fields = {name: value for name, value in fields_of(attributes).items() if name not in OF_PLACE}
    its = {name: value for name, value in fields_of(reference).items() if name in OF_PLACE}
    return with_fields(attributes, {**fields, **its})
