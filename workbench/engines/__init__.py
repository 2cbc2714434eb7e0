"""Events from reality: one room per engine, imported only when chosen."""
