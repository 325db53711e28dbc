"""The errors a user may meet.

Each says in one or two sentences which argument or file is meant, what was found there and what to do; the
command line prints `str(error)` and no stack trace. Everything else that is raised is a mistake of ours.
"""

__all__ = ["DataError", "Interrupted", "LatenteError", "MissingLabel", "RunError", "TrainingError"]


class LatenteError(Exception):
    """Reports a mistake of the user's or of the world's, with what to do about it."""


class DataError(LatenteError, ValueError):
    """Reports data that is missing, unreadable, or not what the model takes."""


class MissingLabel(DataError):
    """Reports data without the labels that were asked for."""


class RunError(LatenteError):
    """Reports a run's folder or configuration that cannot be used."""


class TrainingError(LatenteError, RuntimeError):
    """Reports a training that cannot go on."""


class Interrupted(RunError):
    """Says that a run was stopped from outside, and what is saved."""
