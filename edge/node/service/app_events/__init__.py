"""Events of apps' own code: taken with the app's key, stored before they are answered."""
