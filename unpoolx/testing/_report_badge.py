"""The report as a badge: an endpoint file of shields.io."""

from __future__ import annotations

import json
from typing import Any

from ._report_run import Report


def as_badge(report: Report) -> str:
    """The JSON file that shields.io draws a badge from."""
    return json.dumps(as_object(report)) + "\n"


def as_object(report: Report) -> dict[str, Any]:
    """Green where no law failed, and which laws did not run is said."""
    several = len(report.runs) > 1
    failed, skipped = (sum(getattr(run.counts, status) for run in report.runs) for status in ("failed", "skipped"))
    if several:
        message = ", ".join(f"{run.backend} {run.counts.passed}/{run.counts.laws}" for run in report.runs)
        message += f", {failed} failed" if failed else ""
    else:
        laws = report.runs[0].counts.laws
        message = f"{failed} of {laws} laws failed" if failed else f"{laws - skipped}/{laws} laws"
    message += f", {skipped} skipped" if skipped else ""
    left = report.known - len(report.laws)
    message += f", {left} not run" if left else ""
    broken = [absent.name for absent in report.absent if absent.broken]
    message += f", {', '.join(broken)} not loaded" if broken else ""
    color = "red" if not report.passed else "yellow" if left else "brightgreen"
    return {"schemaVersion": 1, "label": "unpoolx conformance", "message": message, "color": color}
