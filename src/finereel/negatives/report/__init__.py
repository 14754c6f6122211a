"""WHAT NEGATIVES ARE WORTH: counts, wrong words, lost edits and what a reader without eyes makes of them."""

from finereel.negatives.report.markdown import as_markdown
from finereel.negatives.report.measure import Report, ReportSettings, report
from finereel.negatives.report.page import as_html

__all__ = ["Report", "ReportSettings", "as_html", "as_markdown", "report"]
