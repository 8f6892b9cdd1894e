"""Import path of earlier checkouts, for scripts written then; the name lives in `crossloom.rtl.estimate.choice`."""

from .estimate.choice import estimate

__all__ = ["estimate"]
