"""Nobody reads, changes or can even tell apart from nothing what is somebody else's."""
