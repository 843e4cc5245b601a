"""What UniFFI has made, in a place of its own: its type stubs stand beside it."""

from ._native.footpost import *  # noqa: F403
