"""Guest images: built without root from a recipe and the distribution's own packages."""
