"""The catalogue of models as data: prices, cards, and what is kept by hand (`make prices`, `make models`)."""
