"""Reading what a transformation is and which hyperparameters are in force."""
