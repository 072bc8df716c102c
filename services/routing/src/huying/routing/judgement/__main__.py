"""Compiles the engine's loops ahead of the first start: `python -m huying.routing.judgement PACK`.

Set-up and the container image run it, so that a service starts with machine code on disk.
"""

import sys
from pathlib import Path

from huying.county import load

from . import Judge, load_model, model_file, rehearse
from .pack import bits_of

pack = Path(sys.argv[1] if len(sys.argv) > 1 else "deploy/county/julu")
rehearse(Judge(bits_of(load(pack)), load_model(model_file(pack))))
