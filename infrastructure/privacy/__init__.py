"""Personal data: encrypted under a key of each person, which is wrapped by the master key, and erased with it."""
