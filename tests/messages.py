"""How the text of an error is looked for."""

from __future__ import annotations

import re


def pattern(text):
    """A regular expression for a text in which only ``.*`` is special."""
    return ".*".join(map(re.escape, text.split(".*")))
