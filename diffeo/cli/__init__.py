"""The command line `diffeo`: one module for each command or small group of commands."""
