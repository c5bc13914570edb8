"""The repository folder: finds its versions, checks each in a separate process, serves them, watches for changes."""
