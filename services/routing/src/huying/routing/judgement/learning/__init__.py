"""Learning from a county's labelled history: text model, pair scorer, second look, limits.

Refuses to run inside the service: scikit-learn is imported here, late, and nowhere else.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
"""Said before scikit-learn loads OpenMP. Its threads wait by spinning: beside one busy process learning took six times as
long, and a county's only server is busy."""

from .labelled import LabelledReport  # noqa: E402
from .learn import Learned, learn  # noqa: E402

__all__ = ["LabelledReport", "Learned", "learn"]
