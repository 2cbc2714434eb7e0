"""The tests, as a package: their helpers are imported as `tests.e2e.terminal`, from this tree and no other."""
