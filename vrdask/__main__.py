"""`python -m vrdask` is the command line."""

from vrdask.cli import main

if __name__ == "__main__":
    main(prog_name="vrdask")
