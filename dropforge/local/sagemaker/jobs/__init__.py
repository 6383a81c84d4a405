"""Training jobs: what the API says of them, and programs from their first byte of input to their last of output."""
