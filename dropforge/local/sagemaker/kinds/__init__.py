"""What all kinds of jobs have in common: how they are told, listed, stopped and run."""
