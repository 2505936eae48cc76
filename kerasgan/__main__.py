"""`python -m kerasgan` is `kerasgan`."""

import sys

from kerasgan.cli import main

sys.exit(main())
