"""A subclass for a cell of one's own: a recording in, a calibrated answer with its doubts out."""
