"""The command ``throughtime``: one file a command."""
