"""`completions`: the script that makes a shell complete the command line."""

import click
from click.shell_completion import get_completion_class

from node.cli.root import root

VARIABLE = "_LOAM_COMPLETE"


@click.command("completions")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completions(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash: loam completions bash > ~/.local/share/bash-completion/completions/loam
    zsh:  loam completions zsh > "${fpath[1]}/_loam"
    fish: loam completions fish > ~/.config/fish/completions/loam.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(root, {}, "loam", VARIABLE).source())
