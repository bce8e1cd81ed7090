"""The engine: everything in the gateway that makes a decision. Functions stay thin."""

__version__ = "1.0.0"
