"""The backends that unpoolx brings, one framework a file. Import `unpoolx`, which loads the one that is needed."""
