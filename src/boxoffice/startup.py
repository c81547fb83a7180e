"""The one way to say, before anything runs, why boxoffice cannot start: a sentence for a person, never a traceback."""


class StartupProblem(Exception):
    """Printed as one line on standard error; the process then ends with status 1."""
