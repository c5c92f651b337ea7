"""`edge completion`: the script that makes a shell complete verbs and options."""

import click
from click.shell_completion import get_completion_class

VARIABLE = "_EDGE_COMPLETE"  # click's own: the shell function sets it and runs `edge`
_LINES = {
    "bash": 'eval "$(edge completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(edge completion zsh)"    # in ~/.zshrc',
    "fish": "edge completion fish > ~/.config/fish/completions/edge.fish",
}


@click.command("completion")
@click.argument("shell", type=click.Choice(list(_LINES)))
def completion(shell: str) -> None:
    found = get_completion_class(shell)
    assert found is not None, shell
    root = click.get_current_context().find_root().command
    # Not `source()`: for bash it starts a shell to check its version, which the user's own shell does anyway.
    template = found(root, {}, "edge", VARIABLE)
    click.echo(template.source_template % template.source_vars())


completion.help = "Print the completion script for SHELL.\n\n\b\n" + "\n".join(_LINES.values())
