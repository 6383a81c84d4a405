"""What goes wrong on purpose: rules that tests set over HTTP, and those who carry them out."""
