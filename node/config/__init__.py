"""The node's configuration: one frozen record, where its values come from, what an operator reads on error.

First file to read: `settings.py`. It must not know what any part of the node does with a value.
"""

from node.config.errors import ConfigError, ExitCode, OperatorError, StartError, UsageError
from node.config.settings import (
    Config,
    InstantSeal,
    IntervalSeal,
    ManualSeal,
    Seal,
    TrustedBlock,
    parse_pruning,
    parse_seal,
    parse_trusted_block,
)
from node.config.sources import Origin, Resolved, load_config, render_config

__all__ = [
    "Config",
    "ConfigError",
    "ExitCode",
    "InstantSeal",
    "IntervalSeal",
    "ManualSeal",
    "OperatorError",
    "Origin",
    "Resolved",
    "Seal",
    "StartError",
    "TrustedBlock",
    "UsageError",
    "load_config",
    "parse_pruning",
    "parse_seal",
    "parse_trusted_block",
    "render_config",
]
