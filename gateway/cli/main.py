"""The command line: one module per command, loaded only when that command runs."""

from __future__ import annotations

import importlib

import click

__all__ = ["main"]

COMMANDS = {
    "serve": "Take uploads and hand them on.",
    "check": "Check a configuration file.",
    "init": "Write a configuration to begin with.",
    "schema": "Print what a configuration may say: JSON Schema for editors, or tables.",
    "send": "Send files and fields to a URL.",
    "preview": "Show the exact request that a service would get; send nothing.",
    "demo": "Send a real document through the gateway to a real text-extraction service.",
}


class Commands(click.Group):
    """Imports `gateway.cli.<name>` when `<name>` is asked for: `check` does not pay for `serve`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"gateway.cli.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Commands)
@click.version_option(package_name="upload-gateway", prog_name="gateway")
def main() -> None:
    """An upload-forwarding gateway: post a file once, every service gets it, byte for byte."""
