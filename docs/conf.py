"""How the documentation is built: ``sphinx-build -W -b html docs docs/_build``. No network is needed."""

from __future__ import annotations

from typing import Any

import vrdask

project = "vrdask"
copyright = "the authors of vrdask"  # noqa: A001 (Sphinx's name for it)
version = release = vrdask.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_click",
    "matplotlib.sphinxext.plot_directive",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates"]
smartquotes = False  # `--like` is no dash

html_theme = "pydata_sphinx_theme"
html_title = f"vrdask {version}"
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False}
html_show_sourcelink = False
html_sidebars = {page: [] for page in ("modes", "exactness", "migration", "benchmarks")}  # of one page each

myst_heading_anchors = 3

default_role = "py:obj"  # `resample` in a docstring is a link where there is such a name
autodoc_typehints = "none"  # docstrings say the types; one signature for all of a function's overloads
autosummary_generate = True
numpydoc_show_class_members = False

plot_formats = ["svg"]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_rcparams = {"font.size": 9, "image.interpolation": "nearest", "svg.fonttype": "path"}
plot_apply_rcparams = True


def _as_it_stands(app: Any, context: Any, lines: list[str]) -> None:
    """The help of a command is plain text: 'scan/*.tif' begins no emphasis."""
    lines[:] = [line.replace("*", r"\*") for line in lines]


def setup(app: Any) -> None:
    app.connect("sphinx-click-process-description", _as_it_stands)
