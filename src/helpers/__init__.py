"""What the chapters share to tell their story: recording a number, one figure style, the map of cells."""
