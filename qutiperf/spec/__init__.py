"""What is asked: the types of every file that a measurement starts from, and their expansion into points."""
