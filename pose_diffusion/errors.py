"""The one error that means 'what you gave me is wrong', told apart from a fault of the program."""

from __future__ import annotations


class InputError(ValueError):
    """Bad input or configuration: the message is one line that says which file, row or key, and what was expected.

    Jobs print the line without a stack trace and exit with 2. Names come from the file: what would move a terminal's cursor is
    shown as an escape.
    """

    def __init__(self, message: object = ""):
        shown = (c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in str(message))
        super().__init__("".join(shown))  # Ray makes errors of the same type anew, with lines of its own below


class ImageSizeUnknown(InputError):
    """Keypoints of images whose size neither their file nor the configuration says. where: the file."""

    def __init__(self, message: object = "", where: str = ""):
        super().__init__(message)
        self.where = where


class StorageError(InputError):
    """Remote storage that refused or did not answer. Nothing is known of the data, and another try may succeed."""


class RunError(RuntimeError):
    """A run that could not be finished: the message is one line; jobs print it and exit with 1."""
