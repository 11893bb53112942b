"""The one exception that the commands print as a sentence, with exit code 2."""


class UserError(Exception):
    """Something the user can put right; the message says what is wrong, where, and what would be right."""
