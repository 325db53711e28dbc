"""Runs the command line as `python -m latente.cli`."""

from . import main

if __name__ == "__main__":
    main()
