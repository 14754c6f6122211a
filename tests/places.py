"""Where tests find things: this checkout, the small golden arrays in it, and the larger material
that may lie beside it.

FINEREEL_FIXTURES names the folder of the full golden arrays, FINEREEL_DATA that of real videos and
annotations. Without them the tests look beside the checkout, and skip what they do not find.
"""

import os
from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
GOLDEN = TESTS / "golden"
FIXTURES = Path(os.environ.get("FINEREEL_FIXTURES", ROOT.parent / "shared" / "golden"))
DATA = Path(os.environ.get("FINEREEL_DATA", ROOT.parent / "shared" / "data"))
