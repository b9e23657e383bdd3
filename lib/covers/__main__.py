"""``python -m covers`` is the console script ``covers``."""

import sys

from covers.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
