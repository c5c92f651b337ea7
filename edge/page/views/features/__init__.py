"""The features of an app: what each gives to whom."""
