"""What users are told when results cannot be read."""

from sweeps.cli.errors import UserError


class ResultsError(UserError):
    """Results that cannot be read, or a query that cannot be answered; one sentence."""
