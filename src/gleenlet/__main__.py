"""`python -m gleenlet ps`, and its kin: look into a process from outside."""

import sys

from gleenlet.debug._command import main

if __name__ == "__main__":
    sys.exit(main())
