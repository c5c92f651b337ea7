"""How strong the evidence is: tests and intervals that hold at every look, and the budget of false alarms. Pure."""
