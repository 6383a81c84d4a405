"""Whether it holds: whole stories through the real handlers and the real adapters, over an AWS in memory, disturbed.

cloud/       an AWS in memory as strict as AWS, met at the level of boto3's clients
world.py     the functions, the events on their way to them, and time
stories.py   what people do, and what must have become of it
faults.py    what can go wrong with one call
truth.py     what must hold in the end and throughout: each invariant by its name
planted.py   bugs that this must find
"""
