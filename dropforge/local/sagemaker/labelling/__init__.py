"""Labelling jobs: nobody works at home, so whoever writes the output manifest has done the work."""
