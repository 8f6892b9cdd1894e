"""The errors that every Crossloom stage raises, each one line: where, what was found, what is needed."""


class CrossloomError(Exception):
    """Base of every error that Crossloom raises on purpose; its text is one line for a person."""


class NetworkError(CrossloomError, ValueError):
    """A network that breaks a rule of the arithmetic contract: shapes, types, widths, names, graph."""


class ArtifactError(CrossloomError, ValueError):
    """A `.loom` file that cannot be trusted, understood or written."""


class InputError(CrossloomError, ValueError):
    """Images, codes, labels or command-line values of the wrong shape, dtype, range or name."""


class ConfigError(CrossloomError, ValueError):
    """A training configuration or data set that cannot be used as written."""


class ExportError(CrossloomError, ValueError):
    """A trained model that has no exact integer form, or whose integer form differs from it."""


class ForeignError(CrossloomError, ValueError):
    """A network of another program, a file or a module, that cannot be trusted, read or carried over to integers."""


class DeviceError(CrossloomError, RuntimeError):
    """A back end that does not exist, cannot start here, or failed while running."""


class ToolError(CrossloomError, RuntimeError):
    """A program of others that is missing, fails, takes too long, or whose report cannot be read."""


class MissingExtraError(CrossloomError, RuntimeError):
    """A package that an optional part needs is not installed; the text names the extra."""
