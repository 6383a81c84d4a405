"""The command line: a client of the bucket and of the HTTP API, knowing nothing that a user's own program could not."""
