"""Is this container's service ready? Exit 0 or 1; asks `/readyz` and nothing else."""

import os
import sys
from urllib.error import URLError
from urllib.request import urlopen

PATIENCE_S = 4

try:
    with urlopen(f"http://127.0.0.1:{os.environ['HUYING_PORT']}/readyz", timeout=PATIENCE_S) as answer:
        sys.exit(answer.status != 200)
except (URLError, OSError) as error:
    print(error, file=sys.stderr)  # noqa: T201 - what `docker inspect` shows
    sys.exit(1)
