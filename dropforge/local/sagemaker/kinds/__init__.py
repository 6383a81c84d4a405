"""What processing, transform, tuning and labelling jobs have in common: how they are told, listed, stopped and run."""
