"""Figures, drawn from tables on given axes."""

import logging
import os

os.environ["MPLBACKEND"] = "Agg"  # importing matplotlib refuses Jupyter's where that is not installed
logging.getLogger("matplotlib").addHandler(logging.NullHandler())  # a folder for its cache: no reader's concern
