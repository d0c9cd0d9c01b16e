"""Power meters behind one interface, their sampling in a process of its own, and the verdict on a window."""
