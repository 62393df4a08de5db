"""The long runs behind the chapters on transfer, the better model and its limits."""
