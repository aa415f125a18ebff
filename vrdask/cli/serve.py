"""The command `vrdask serve`: a Zarr store of this machine for viewers in its browser."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from vrdask.cli.main import main
from vrdask.cli.options import about
from vrdask.cli.signals import Stopped

METADATA = ("zarr.json", ".zgroup", ".zarray")
"""What a folder holds that is Zarr."""
NEUROGLANCER = "https://neuroglancer-demo.appspot.com/#!"
VIZARR = "https://hms-dbmi.github.io/vizarr/?source="


@main.command()
@click.argument("place")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of this machine; any free one by default.")
@click.option("--quiet", is_flag=True, help="Print the address alone.")
def serve(place: str, port: int, quiet: bool) -> None:
    """Serve the Zarr store at PLACE to viewers in this machine's browser, until Ctrl-C.

    Prints what opens it in neuroglancer, vizarr and napari. No other machine can read it; any page that is open in a
    browser of this machine can, as long as it is served.
    """
    from vrdask.cli.store_server import HOST, new_server

    with about(place):
        root = require_store(place)
        layers = layers_of(root)
    try:
        server = new_server(root, port)
    except OSError as error:
        raise click.ClickException(f"port must be free; got {port}: {error.strerror}") from None
    with server:
        address = f"http://{HOST}:{server.server_port}/{quote(root.name)}"
        rows = [] if quiet else links(address, root, layers)
        click.echo(address if quiet else "\n".join(f"{name:<16}{value}" for name, value in rows))
        try:
            server.serve_forever()
        except KeyboardInterrupt as error:
            if isinstance(error, Stopped):
                raise


def require_store(place: str) -> Path:
    """The folder of a Zarr store, as it is called.

    Raises
    ------
    FileNotFoundError, ValueError
        There is none.
    """
    if "://" in place and not place.startswith("file://"):
        raise ValueError(f"a store to serve must be on this machine; got {place}, which viewers read by themselves")
    root = Path(os.path.abspath(place.removeprefix("file://")))
    if not root.exists():
        raise FileNotFoundError(f"a store to serve must exist; got {place}")
    if not any((root / name).is_file() for name in METADATA):
        raise ValueError(
            f"a store to serve must be a folder that is Zarr; got {place}: vrdask resample and vrdask pyramid write "
            "Zarr of whatever they read"
        )
    return root


def layers_of(root: Path) -> list[tuple[str, str]]:
    """What neuroglancer is to draw: kind and path below the store, labels last; nothing where it is no single image."""
    from vrdask.sources import open_source
    from vrdask.sources.above import labels_beside

    try:
        source = open_source(str(root))
    except ValueError:  # a group of several
        return []
    is_labels = source.image is not None and source.image.is_labels
    beside: list[tuple[str, str]] = [("segmentation", f"labels/{name}") for name in labels_beside(source)]
    return [("segmentation" if is_labels else "image", ""), *beside]


def links(address: str, root: Path, layers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What opens a store that is served, for people: name, and link or command."""
    found = [("store", address)]
    if layers:
        drawn: list[dict[str, Any]] = [
            {
                "type": kind,
                "source": f"zarr://{address}/{quote(path)}".rstrip("/"),
                "name": path.removeprefix("labels/") or root.name,
            }
            for kind, path in layers
        ]
        state = json.dumps({"layers": drawn}, separators=(",", ":"))
        found.append(("neuroglancer", NEUROGLANCER + quote(state, safe="")))
    return [
        *found,
        ("vizarr", VIZARR + quote(address, safe="")),
        ("napari", f"napari --plugin napari-ome-zarr {shlex.quote(str(root))}"),
        ("until", "Ctrl-C; meanwhile any page in a browser of this machine can read the store"),
    ]
