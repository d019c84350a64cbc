"""What a deployment costs at AWS: from a plan, list prices and what a call was measured to use."""
