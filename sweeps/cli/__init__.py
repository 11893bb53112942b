"""What all commands share: the typer app, the console, formatting, the errors that a user sees."""
