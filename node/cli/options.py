"""Click options made from the settings, so that a flag exists exactly where a setting does.

Every option's value stays text here; config/sources.py reads and checks it, whatever its source.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from node.config import Resolved, load_config
from node.config.descriptions import SETTINGS
from node.config.errors import UsageError
from node.config.settings import DEV_ACCOUNTS, KEYS, Texts
from node.config.sources import FIELDS, list_choices

CONFIG_OPTION = "config_file"

FILES = {"FILE": "file", "NAME|FILE": "file", "DIR": "dir"}
"""What a shell completes where a value is a path, by the metavar of the setting."""

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


def make_setting_options(names: Iterable[str]) -> list[click.Option]:
    """Return the options of the named settings, and `--config`."""
    options = [option for name in names for option in _make_options(name)]
    text = "Configuration file (TOML); its keys are the flags without dashes."
    options.append(
        click.Option(["--config", CONFIG_OPTION], type=click.Path(path_type=Path), metavar="FILE", help=text)
    )
    return options


def setting_options(*names: str) -> Callable[[AnyFunction], AnyFunction]:
    """Decorate a command's function with the options of the named settings."""

    def decorate(function: AnyFunction) -> AnyFunction:
        params = getattr(function, "__click_params__", [])
        known = {param.name for param in params}
        added = [option for option in make_setting_options(names) if option.name not in known]
        function.__click_params__ = [*reversed(added), *params]  # type: ignore[attr-defined] # click's own list
        return function

    return decorate


def resolve_options(values: Mapping[str, Any]) -> Resolved:
    """Return the configuration of a command's option values, the environment and the file."""
    flags = {
        name: value for name, value in values.items() if name in FIELDS and value not in (None, False, ())
    }
    accounts = [account for account in DEV_ACCOUNTS if values.get(_account_parameter(account))]
    if len(accounts) > 1:
        raise UsageError(f"{' and '.join(f'--{account}' for account in accounts)}: give only one of these")
    if accounts:
        flags["dev_account"] = accounts[0]
    return load_config(flags, os.environ, values.get(CONFIG_OPTION))


def _make_options(name: str) -> list[click.Option]:
    setting = SETTINGS[name]
    if name == "dev_account":
        return [_make_account_option(account) for account in DEV_ACCOUNTS]
    names = [*([setting.short] if setting.short else []), f"--{KEYS[name]}", name]
    if FIELDS[name].type is bool:
        return [click.Option(names, is_flag=True, help=setting.help)]
    choices = list_choices(name)
    return [
        click.Option(
            names,
            type=str,
            multiple=FIELDS[name].type is Texts,
            metavar=setting.metavar or "|".join(choices) or None,
            help=_describe(name),
            shell_complete=_make_completion(choices, FILES.get(setting.metavar or "")),
        )
    ]


def _make_completion(
    choices: tuple[str, ...], file_type: str | None
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return what a shell asks for the values of an option: one of some words, or a path."""

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if file_type is not None:
            return [CompletionItem(incomplete, type=file_type)]
        return [CompletionItem(choice) for choice in choices if choice.startswith(incomplete)]

    return complete


def _describe(name: str) -> str:
    default = FIELDS[name].default
    shown = isinstance(default, int) or (isinstance(default, str) and default)
    return f"{SETTINGS[name].help} [{default}]" if shown else SETTINGS[name].help


def _make_account_option(account: str) -> click.Option:
    text = f"Shortcut for --name {account.capitalize()} --validator with that development account's keys."
    return click.Option([f"--{account}", _account_parameter(account)], is_flag=True, help=text)


def _account_parameter(account: str) -> str:
    return f"account_{account}"
