"""What every test of deliveries has: what those of the spool have."""

from tests.spool.conftest import files, no_thread_is_left

__all__ = ["files", "no_thread_is_left"]
