"""An AWS in memory, as far as we speak to it, met at the level of boto3's clients: strict in names, states and times.

Each service keeps nothing but dictionaries of values that are never changed in place: a copy of a cloud costs little.
"""
