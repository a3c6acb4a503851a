"""What commands print: tables, numbers, progress and logs."""
