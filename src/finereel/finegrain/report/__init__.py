"""Report on a file of negatives: counts, malformed words, truncated edits and text-only baselines."""

from finereel.finegrain.report.markdown import as_markdown
from finereel.finegrain.report.measure import Report, ReportSettings, report
from finereel.finegrain.report.page import as_html

__all__ = ["Report", "ReportSettings", "as_html", "as_markdown", "report"]
