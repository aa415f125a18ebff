"""What a finished target says of how it was made: digests of its settings, in its array's attribute "vrdask".

So a run with the same settings has nothing to do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vrdask.images.ome_zarr import ATTRIBUTE, MADE
from vrdask.storage import objects

if TYPE_CHECKING:
    from zarr.storage import StorePath


def digests(settings: Mapping[str, Any]) -> dict[str, str]:
    """A digest of each setting that decides what the target is.

    >>> digests({"mode": "cubic", "blocks": [4, 4]})
    {'mode': '2c0ebdbec2460b7b'}
    """
    return {
        name: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
        for name, value in settings.items()
        if name != "blocks"
    }


def without_digests(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """An array's attributes without what they say of how it was made, which does not hold for what is made from it."""
    found = dict(attributes)
    said = found.get(ATTRIBUTE)
    if isinstance(said, Mapping) and MADE in said:
        rest = {name: value for name, value in said.items() if name != MADE}
        found.pop(ATTRIBUTE)
        if rest:
            found[ATTRIBUTE] = rest
    return found


def with_digests(attributes: Mapping[str, Any], made: Mapping[str, str]) -> dict[str, Any]:
    """An array's attributes that say how it was made."""
    said = attributes.get(ATTRIBUTE)
    return {**attributes, ATTRIBUTE: {**(said if isinstance(said, Mapping) else {}), MADE: dict(made)}}


def made_from(node: StorePath) -> Mapping[str, str] | None:
    """What an array, or the group of a pyramid, says of how it was made; None where it does not."""
    for name in ("zarr.json", ".zattrs"):
        try:
            said = json.loads(objects.get(node / name) or b"{}")
            found = (said["attributes"] if name == "zarr.json" else said)[ATTRIBUTE][MADE]
        except (ValueError, KeyError, TypeError):
            continue
        if isinstance(found, dict):
            return found
    return None
