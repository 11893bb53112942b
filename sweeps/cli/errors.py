"""The exceptions that the commands print as a sentence, with exit code 2."""

from __future__ import annotations

import math


class UserError(Exception):
    """Something the user can put right; the message says what is wrong, where, and what would be right."""


class OptionError(UserError):
    """A wrong value of an option: `time_limit` in Python, --time-limit on the command line."""

    def __init__(self, option: str, text: str) -> None:
        super().__init__(option, text)
        self.option, self.text = option, text

    def __str__(self) -> str:
        return f"{self.option}: {self.text}"

    def on_command_line(self) -> str:
        """The sentence with the option as a command has it."""
        return f"--{self.option.replace('_', '-')}: {self.text}"


def require_price(price: float | None) -> None:
    """Raises OptionError for a price of a device-hour that multiplies nothing."""
    if price is not None and not math.isfinite(price):
        raise OptionError("price", f"{price:g} is no price; give a number such as 2.5")
