"""Line searches: how far to go along a direction, by evaluating the loss on the way."""
