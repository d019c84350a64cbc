"""A picture of the dashboard: the JSON that CloudWatch gets, with the figures that a local run logged."""
