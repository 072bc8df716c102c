"""Learning from a county's labelled history: text model, pair scorer, second look, limits.

Refuses to run inside the service: scikit-learn is imported here, late, and nowhere else.
"""

from .labelled import LabelledReport
from .learn import Learned, learn

__all__ = ["LabelledReport", "Learned", "learn"]
