"""A picture of the dashboard: the JSON that CloudWatch gets, with what a local run logged."""
