"""Charge plans as code: expand YAML into charges, compare, and post them at most once."""

__version__ = "0.1.0"
