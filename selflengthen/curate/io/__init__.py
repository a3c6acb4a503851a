"""Rows to choose from and rows chosen: files, folders and hub data sets, read and written."""
