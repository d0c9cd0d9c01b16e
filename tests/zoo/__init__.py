"""Systems under test that cheat, each beside an honest twin, and the audits that must catch them."""
