"""The command line."""

from vrdask.cli.main import main as main
