"""Reports: what devices did, stored before they are answered."""
