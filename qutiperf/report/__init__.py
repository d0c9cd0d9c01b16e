"""Pages and charts of records and of published results, and two sets of results side by side."""
