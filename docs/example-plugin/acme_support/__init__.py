"""ACME's own measure, failure detector and slicer: one file each."""
