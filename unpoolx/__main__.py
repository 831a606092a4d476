"""`python -m unpoolx`: the same as the console script `unpoolx`."""

import sys

from unpoolx._cli import main

if __name__ == "__main__":
    sys.exit(main())
