"""What is known of the nodes: which there are, who may speak for which, and what each said last."""
