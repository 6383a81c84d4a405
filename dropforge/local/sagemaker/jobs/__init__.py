"""Jobs: what the API says of them, and programs that run from their first byte of input to their last of output."""
